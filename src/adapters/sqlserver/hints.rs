//! What the operator can do about what the server, the network or the driver said, with the setting or
//! the variable that is meant.

use super::error::{ServerError, is_denied_elsewhere, kind_of_number};
use super::options::Section;
use crate::ports::FailureKind;

impl ServerError {
    /// A remedy for a server that this section of the settings names.
    pub(super) fn hint(&self, section: Section) -> Option<String> {
        let name = section.name();
        Some(match self {
            Self::Answer { number, message, .. } if is_denied_elsewhere(*number, message) => {
                MISSING_RIGHT.to_owned()
            }
            Self::Answer { number, .. } => return hint_for_number(*number, section),
            Self::Tls(text) if text.contains("not valid for name") => format!(
                "set `{name}.host` to a name that stands in the server's certificate, or have it made \
                 out for this one"
            ),
            Self::Tls(text) if text.contains("expired") => {
                "ask the server's administrator for a certificate that is valid, and check this \
                 machine's clock"
                    .to_owned()
            }
            Self::Tls(_) => {
                format!("name the authority that signed the server's certificate: `{name}.ca_file`")
            }
            Self::OldTls(_) => {
                "TLS 1.2 or later is needed: update the server, or switch TLS 1.2 on \
                                there; another try changes nothing"
                    .to_owned()
            }
            Self::NoEncryption => format!(
                "have TLS switched on in the server; where the network is yours alone, \
                 `{name}.encryption = \"off\"` sends all in the clear, the password too"
            ),
            Self::NoStrictTls(_) => format!(
                "`strict` needs SQL Server 2022 or later, or Azure SQL; \
                 `{name}.encryption = \"required\"` encrypts with every version"
            ),
            Self::Network(_) => format!(
                "check `{name}.host`, `{name}.port` and `{name}.instance`, the firewall, and that the \
                 server listens on TCP"
            ),
            Self::TimedOut(_) => format!(
                "look at the server's load and locks; `{name}.connect_timeout_s` and \
                 `{name}.command_timeout_s` are the limits"
            ),
            Self::Protocol(_) | Self::Panicked(_) => format!(
                "check that a SQL Server listens at `{name}.host` and `{name}.port`, and that no \
                 other program stands between"
            ),
            Self::CaFile { .. } => format!("check `{name}.ca_file`"),
            Self::NoKerberos => "build it with the Cargo feature `kerberos`".to_owned(),
            Self::Redirected { .. } | Self::Closed => return None,
        })
    }
}

const MISSING_RIGHT: &str =
    "grant what `scripts/grants.sql` lists; `speedfit doctor` says what is missing";

fn hint_for_number(number: u32, section: Section) -> Option<String> {
    let name = section.name();
    let [password, token] = section.secrets();
    let hint = match number {
        18456 | 18452 => {
            return Some(format!(
                "check `{name}.user` and its secret: `{password}`, or `{token}` where \
                 `{name}.login` is `token`"
            ));
        }
        4060 | 911 => {
            return Some(format!("check `{name}.database`, and that the login has a user there"));
        }
        3906 => {
            return Some(format!(
                "the database is read-only: name the primary replica in `{name}.host`"
            ));
        }
        18486..=18488 => "the login is locked or its password has expired: ask the administrator",
        229 | 230 | 262 | 297 | 300 | 916 | 1088 | 2760 | 15151 | 15247 => MISSING_RIGHT,
        3952 => {
            "ask for ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON, or set \
             `sqlserver.isolation`"
        }
        1101 | 1105 | 9002 | 40544 => "the database has no room left: ask the administrator",
        _ if kind_of_number(number, 0) == FailureKind::Internal => {
            "look the error's number up in SQL Server's documentation, or ask the administrator"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn answer(number: u32) -> ServerError {
        ServerError::Answer { number, severity: 16, message: "said so".to_owned() }
    }

    #[test]
    fn a_hint_names_the_setting_that_is_meant() {
        let check = |error: fn() -> ServerError, expected: &str| {
            for section in [Section::Source, Section::Store] {
                let hint = error().hint(section).unwrap();
                let expected = expected.replace("HALF", section.name());
                let secret = expected.replace("SECRET", &section.name().to_uppercase());
                assert!(hint.contains(&secret), "{hint}");
                let other = if section == Section::Source { "store" } else { "source" };
                assert!(!hint.to_lowercase().contains(other), "{hint}");
            }
        };
        let tls = |text: &str| ServerError::Tls(text.to_owned());
        check(|| answer(18456), "`SPEEDFIT_SECRET_PASSWORD`");
        check(|| answer(4060), "`HALF.database`");
        check(|| ServerError::NoEncryption, "`HALF.encryption = \"off\"`");
        check(|| ServerError::NoStrictTls(String::new()), "`HALF.encryption = \"required\"`");
        check(|| ServerError::Network(String::new()), "`HALF.host`");
        check(|| ServerError::TimedOut(Duration::ZERO), "`HALF.connect_timeout_s`");
        assert!(tls("not valid for name").hint(Section::Store).unwrap().contains("`store.host`"));
        assert!(tls("UnknownIssuer").hint(Section::Source).unwrap().contains("`source.ca_file`"));
    }
}
