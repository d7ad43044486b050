//! Types of settings that are one of a few texts.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Declares an enum that is read from one of a few texts, and says which where it is not.
macro_rules! choices {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "&'static str")]
        pub enum $name { $($(#[$vmeta])* $variant,)+ }

        impl $name {
            /// Every value, in declaration order.
            pub const NAMES: &[&str] = &[$($text,)+];

            /// The value in settings.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                match text.as_str() {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(not_among(&text, Self::NAMES)),
                }
            }
        }

        impl From<$name> for &'static str {
            fn from(value: $name) -> Self {
                value.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

/// What is wrong with a text that is none of those allowed.
pub(super) fn not_among(text: &str, allowed: &[&str]) -> String {
    let allowed: Vec<_> = allowed.iter().map(|value| format!("`{value}`")).collect();
    format!("`{text}` is not one of {}", allowed.join(", "))
}

choices! {
    /// What becomes of moments of the calendar at which nothing ran.
    MissedSlots {
        /// They are passed over.
        Skip = "skip",
        /// One run makes up for all of them.
        Once = "once",
    }
}

choices! {
    /// What a webhook is told.
    NotifyOn {
        /// A run failed, or died.
        Failed = "failed",
        /// The judge, or another run, refused a run.
        Refused = "refused",
        /// A run published after one that did not.
        Recovered = "recovered",
    }
}

choices! {
    /// Where records come from.
    SourceKind {
        /// The embedded database.
        Embedded = "embedded",
        /// A file.
        File = "file",
        /// SQL Server.
        SqlServer = "sqlserver",
    }
}

choices! {
    /// Where runs and parameters are kept.
    StoreKind {
        /// The embedded database.
        Embedded = "embedded",
        /// SQL Server.
        SqlServer = "sqlserver",
    }
}

choices! {
    /// How to log in to a server.
    Login {
        /// A login of the server's own, by password.
        Password = "password",
        /// An access token.
        Token = "token",
        /// The ticket of the user who runs the program.
        Kerberos = "kerberos",
    }
}

choices! {
    /// What is encrypted on the way to a server.
    Encryption {
        /// All of it, from the first byte: TDS 8.0.
        Strict = "strict",
        /// All of it.
        Required = "required",
        /// The login.
        LoginOnly = "login_only",
        /// Nothing.
        Off = "off",
    }
}

choices! {
    /// What a reader sees of writers beside it.
    Isolation {
        /// Snapshot where the database allows it.
        Auto = "auto",
        /// One moment of the database.
        Snapshot = "snapshot",
        /// What is committed when it is read.
        ReadCommitted = "read_committed",
    }
}

choices! {
    /// How connections share the records.
    Partition {
        /// By the values of a column.
        Range = "range",
        /// By the regions.
        Region = "region",
        /// One connection reads all.
        Off = "off",
    }
}

choices! {
    /// Format of a file with records.
    FileFormat {
        /// Told by the file's name.
        Auto = "auto",
        /// CSV.
        Csv = "csv",
        /// Parquet.
        Parquet = "parquet",
    }
}

choices! {
    /// Unit of the distance column.
    DistanceUnit {
        /// Kilometres.
        Kilometre = "km",
        /// Metres.
        Metre = "m",
        /// International miles.
        Mile = "mi",
    }
}

choices! {
    /// Unit of the travel-time column.
    TimeUnit {
        /// Seconds.
        Second = "s",
        /// Minutes.
        Minute = "min",
        /// Hours.
        Hour = "h",
    }
}

choices! {
    /// What becomes of a record whose id was there before.
    RepeatedIds {
        /// It is taken: several vehicles answer one incident.
        Keep = "keep",
        /// It is refused.
        Refuse = "refuse",
    }
}

choices! {
    /// What multiplies the model.
    Factor {
        /// The band of the week.
        Band = "band",
        /// The priority class.
        Priority = "priority",
    }
}

choices! {
    /// What a residual of ln T costs.
    Loss {
        /// Its square.
        LeastSquares = "least_squares",
        /// Huber's.
        Huber = "huber",
        /// A smooth Huber.
        SoftL1 = "soft_l1",
        /// Cauchy's.
        Cauchy = "cauchy",
        /// Tukey's biweight.
        Tukey = "tukey",
    }
}

choices! {
    /// Law of the errors on ln T.
    Errors {
        /// Normal.
        Normal = "normal",
        /// Student's t.
        StudentT = "student_t",
    }
}

choices! {
    /// How wide ln T scatters about the median.
    Spread {
        /// The same everywhere.
        Constant = "constant",
        /// Falling with the median.
        Budge = "budge",
    }
}

choices! {
    /// What standard errors come from.
    Covariance {
        /// The information, or with a robust loss the sandwich.
        Auto = "auto",
        /// The information.
        Information = "information",
        /// The sandwich.
        Sandwich = "sandwich",
    }
}

choices! {
    /// How intervals are made.
    Intervals {
        /// From the standard error where that is honest, else from the profile.
        Auto = "auto",
        /// From the standard error.
        Wald = "wald",
        /// From the profile of the likelihood.
        Profile = "profile",
    }
}

choices! {
    /// What becomes of a parameter that the records of a group do not tell.
    NotIdentified {
        /// It is published as it is, marked.
        Keep = "keep",
        /// It is taken from the other groups.
        Pool = "pool",
        /// A simpler model is fitted.
        Simplify = "simplify",
    }
}

choices! {
    /// What decides between models.
    Criterion {
        /// Bayesian information criterion.
        Bic = "bic",
        /// Akaike's information criterion.
        Aic = "aic",
        /// Log score on records held out.
        Holdout = "holdout",
    }
}

choices! {
    /// For whom one model is chosen.
    ChoicePer {
        /// All groups together.
        Scope = "scope",
        /// Each group.
        Group = "group",
    }
}

choices! {
    /// Which groups are drawn toward others.
    PoolingMode {
        /// None.
        Off = "off",
        /// Those with few records.
        Small = "small",
        /// All.
        All = "all",
    }
}

choices! {
    /// Form of the log.
    LogFormat {
        /// Human on a terminal, JSON otherwise.
        Auto = "auto",
        /// Lines for people.
        Human = "human",
        /// One JSON object per line.
        Json = "json",
    }
}

impl DistanceUnit {
    /// Kilometres in one unit.
    #[must_use]
    pub fn km(self) -> f64 {
        match self {
            Self::Kilometre => 1.0,
            Self::Metre => 1e-3,
            // International yard and pound agreement, 1959.
            Self::Mile => 1.609_344,
        }
    }
}

impl TimeUnit {
    /// Seconds in one unit.
    #[must_use]
    pub fn s(self) -> f64 {
        match self {
            Self::Second => 1.0,
            Self::Minute => 60.0,
            Self::Hour => 3600.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_few_texts_is_read() {
        let read = |text: &str| SourceKind::try_from(text.to_owned());
        assert_eq!(read("file"), Ok(SourceKind::File));
        assert_eq!(
            read("fil"),
            Err("`fil` is not one of `embedded`, `file`, `sqlserver`".to_owned())
        );
        assert_eq!(serde_json::to_value(SourceKind::File).unwrap(), "file");
    }

    #[test]
    fn units_convert() {
        assert_eq!(DistanceUnit::Mile.km() * 1000.0, 1609.344);
        assert_eq!(DistanceUnit::Metre.km() * 1000.0, 1.0);
        assert_eq!((TimeUnit::Minute.s(), TimeUnit::Hour.s()), (60.0, 3600.0));
    }
}
