//! Draws the percentiles of the latency as an SVG picture. Both axes are logarithmic, so that the tail gets as much
//! space as the rest.

use std::fmt::Write;

use hdrhistogram::Histogram;

use super::figures::LoadSummary;
use super::units::time_text;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 80.0;
const BOTTOM: f64 = 340.0;
const TOP: f64 = 50.0;
const RIGHT: f64 = 700.0;

/// The percentiles at which the horizontal axis has a grid line and a label.
const MARKS: [(f64, &str); 6] =
    [(0.0, "0"), (90.0, "90"), (99.0, "99"), (99.9, "99.9"), (99.99, "99.99"), (99.999, "99.999")];

/// The number of points in a line that spans the whole width of the picture.
const POINTS: u32 = 200;

/// Draws the raw latencies and, for a closed loop, the corrected latencies. Returns the SVG text.
pub(super) fn draw(summary: &LoadSummary<'_>) -> String {
    let raw = &summary.figures.latency;
    let most = summary.corrected.as_ref().unwrap_or(raw).max().max(raw.max()).max(10) as f64;
    let top = 10f64.powf(most.log10().ceil());
    let mut svg = String::new();
    // NOTE: writing to a string cannot fail.
    _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\">Latency by percentile, {} responses, {:.0} a second</text>\n",
        summary.responses, summary.rate
    );
    axes(&mut svg, top);
    line(&mut svg, raw, top, "#0b66c3", if summary.corrected.is_some() { "raw" } else { "from when due" }, 0.0);
    if let Some(corrected) = &summary.corrected {
        line(&mut svg, corrected, top, "#c2410c", "corrected", 1.0);
    }
    svg.push_str("</svg>\n");
    svg
}

/// The horizontal position of a percentile. Each additional nine, such as from 99 to 99.9, adds the same distance.
fn place(percentile: f64) -> f64 {
    let nines = -(1.0 - percentile / 100.0).max(1e-5).log10();
    LEFT + nines / 5.0 * (RIGHT - LEFT)
}

/// The vertical position of a latency in microseconds.
fn height(micros: f64, top: f64) -> f64 {
    BOTTOM - micros.max(1.0).log10() / top.log10() * (BOTTOM - TOP)
}

fn axes(svg: &mut String, top: f64) {
    for (percentile, name) in MARKS {
        let x = place(percentile);
        _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{BOTTOM}\" stroke=\"#ddd\"/>\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{name} %</text>",
            BOTTOM + 18.0
        );
    }
    let mut micros = 1.0;
    while micros <= top {
        let y = height(micros, top);
        _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{RIGHT}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            y + 4.0,
            time_text(micros)
        );
        micros *= 10.0;
    }
}

fn line(svg: &mut String, histogram: &Histogram<u64>, top: f64, color: &str, name: &str, row: f64) {
    let points = (0..=POINTS).map(|step| {
        let nines = f64::from(step) / f64::from(POINTS) * 5.0;
        let percentile = (1.0 - 10f64.powf(-nines)) * 100.0;
        format!("{:.1},{:.1}", place(percentile), height(histogram.value_at_percentile(percentile) as f64, top))
    });
    let points = points.collect::<Vec<_>>().join(" ");
    let y = TOP + 16.0 + row * 16.0;
    _ = writeln!(
        svg,
        "<polyline points=\"{points}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>\
         <text x=\"{}\" y=\"{y}\" fill=\"{color}\">{name}</text>",
        LEFT + 10.0
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::figures::{Figures, record};
    use super::*;

    #[test]
    fn a_slower_tail_is_drawn_higher() {
        let mut figures = Figures::new(1, true);
        (0..1000).for_each(|micros| record(&mut figures.latency, Duration::from_micros(100 + micros * micros)));
        (figures.responses, figures.measured) = (1000, Duration::from_secs(1));
        let svg = draw(&LoadSummary::new(&figures));
        let points = svg.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        let heights = points.split(' ').map(|point| point.split_once(',').unwrap().1.parse::<f64>().unwrap());
        let heights: Vec<f64> = heights.collect();
        assert_eq!(heights.len(), POINTS as usize + 1);
        assert!(heights.is_sorted_by(|one, other| one >= other) && heights[0] > heights[200] + 50.0);
        assert!(svg.contains("from when due") && !svg.contains("corrected"));
    }
}
