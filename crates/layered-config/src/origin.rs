use std::fmt;
use std::path::PathBuf;

/// Names the place that a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Built into the program.
    Default,
    /// A line of a configuration file.
    File {
        /// The path as it was given.
        path: PathBuf,
        /// The line of the key, from 1.
        line: usize,
    },
    /// A variable of the environment.
    Environment {
        /// The variable's name.
        variable: String,
    },
    /// An argument of the command line.
    Flag {
        /// The flag as people type it, with its dashes.
        flag: String,
    },
}

impl Origin {
    /// Returns the line, from 1, if the value comes from a file.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::File { line, .. } => Some(*line),
            Self::Default | Self::Environment { .. } | Self::Flag { .. } => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::Flag { flag } => write!(f, "flag {flag}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_read_as_people_would_say_them() {
        let file = Origin::File {
            path: "/home/a/.session-buddy/config.yaml".into(),
            line: 3,
        };
        let variable = Origin::Environment {
            variable: "SESSION_BUDDY_PORT".into(),
        };
        let flag = Origin::Flag {
            flag: "--port".into(),
        };
        assert_eq!(Origin::Default.to_string(), "the default");
        assert_eq!(file.to_string(), "/home/a/.session-buddy/config.yaml:3");
        assert_eq!(
            variable.to_string(),
            "environment variable SESSION_BUDDY_PORT"
        );
        assert_eq!(flag.to_string(), "flag --port");
        assert_eq!((file.line(), flag.line()), (Some(3), None));
    }
}
