//! The switches of scripts. Where the program cannot run any, nothing sets them.

use std::ffi::OsString;

/// Whether and how scripts are run (contract row CL07).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptOptions {
    /// Whether they are run.
    pub run: bool,
    /// Names of variables that they get too, each known to be one.
    pub variables: Vec<OsString>,
    /// The user that they run as. Not known to exist.
    pub user: Option<String>,
}

#[cfg(all(feature = "cgi", target_os = "linux"))]
mod setting {
    use std::ffi::OsStr;

    use crate::cli::options::values::{must, text};
    use crate::cli::options::{Options, Understood};

    impl Options {
        pub(in crate::cli) fn run_scripts(&mut self) {
            self.scripts.run = true;
        }

        pub(in crate::cli) fn add_script_variable(&mut self, value: &OsStr) -> Understood {
            let bytes = value.as_encoded_bytes();
            if bytes.is_empty() || bytes.contains(&b'=') {
                return Err(must("be the name of a variable", "name", value));
            }
            self.scripts.variables.push(value.to_owned());
            Ok(())
        }

        pub(in crate::cli) fn set_script_user(&mut self, value: &OsStr) -> Understood {
            self.scripts.user = Some(text("user", value)?.to_owned());
            Ok(())
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn variables_of_scripts_have_names() {
            let mut options = Options::default();
            options.add_script_variable("HOME".as_ref()).unwrap();
            assert_eq!(
                options.add_script_variable("A=b".as_ref()),
                Err("invalid name: 'A=b' (must be the name of a variable)".into())
            );
            assert_eq!(
                options.add_script_variable("".as_ref()),
                Err("invalid name: '' (must be the name of a variable)".into())
            );
            assert_eq!(options.scripts.variables, ["HOME"]);
        }
    }
}
