//! Simulations: scripts made from seeds, and the shrinking of one that fails.

use std::fmt::Debug;

/// Runs the scripts of consecutive seeds, beginning with `FIRST_SEED` or 0, until `steps` or `SIM_STEPS` steps are
/// done, or only the script of `SEED`. A script that fails is shrunk, by leaving out steps that the failure does not
/// need, and printed.
pub fn simulate<T: Clone + Debug>(
    steps: u64,
    script: impl Fn(u64) -> Vec<T>,
    run: impl Fn(u64, &[T]) -> Result<u64, String>,
) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let steps = number("SIM_STEPS").unwrap_or(steps);
    let (mut done, mut seed) = (0, number("SEED").or(number("FIRST_SEED")).unwrap_or(0));
    while done < steps {
        done += match run(seed, &script(seed)) {
            Ok(steps) => steps,
            Err(failure) => {
                let (script, failure) = shrink(script(seed), failure, |script| run(seed, script));
                panic!("SEED={seed}: {failure}\nwith {script:?}");
            }
        };
        if number("SEED").is_some() {
            return;
        }
        seed += 1;
    }
}

/// Removes steps one by one while the script still fails. Returns the rest, and its failure.
pub fn shrink<T: Clone>(
    mut script: Vec<T>,
    mut failure: String,
    run: impl Fn(&[T]) -> Result<u64, String>,
) -> (Vec<T>, String) {
    while let Some((shorter, other)) = (0..script.len()).find_map(|without| {
        let mut shorter = script.clone();
        shorter.remove(without);
        let failure = run(&shorter).err()?;
        Some((shorter, failure))
    }) {
        (script, failure) = (shorter, other);
    }
    (script, failure)
}

/// Numbers that look random and are the same for the same seed.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1);
        (0..4).for_each(|_| _ = random.next());
        random
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 11) as usize % limit.max(1)
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        (self.next() >> 11).is_multiple_of(count)
    }
}
