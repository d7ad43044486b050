//! Who may do what: bearer tokens of two roles.
//!
//! Only digests of tokens are kept, and all of them are compared, to the last byte, so that the time
//! of an answer tells nothing of a token.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use super::problem::Problem;
use super::state::Api;

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// To read, predict and fit a file of one's own.
    Read,
    /// To start runs and move the mark, too.
    Operate,
}

impl Role {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "read" => Some(Self::Read),
            "operate" => Some(Self::Operate),
            _ => None,
        }
    }
}

/// What is wrong with a list of tokens; never names one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Neither `read:` nor `operate:` stands before it.
    #[error("entry {0} of the API's tokens is not of the form `read:TOKEN` or `operate:TOKEN`")]
    Form(usize),
    /// It could be guessed.
    #[error(
        "the token of entry {entry} of the API's tokens has {n_chars} characters, fewer than {}",
        Tokens::MIN_CHARS
    )]
    TooShort {
        /// Which entry, from 1.
        entry: usize,
        /// Its characters.
        n_chars: usize,
    },
    /// It could not be sent in a header.
    #[error("the token of entry {0} of the API's tokens has characters that no header can carry")]
    Characters(usize),
    /// It stands there twice.
    #[error("entry {0} of the API's tokens repeats an earlier one")]
    Repeated(usize),
    /// There is none, although the secret is set.
    #[error("the list of the API's tokens is empty")]
    Empty,
}

/// The tokens that are taken; with none everyone may do everything.
#[derive(Clone, Default)]
pub struct Tokens {
    known: Vec<([u8; 32], Role)>,
}

impl Tokens {
    /// Fewest characters of a token: 16 of a random text are beyond guessing.
    pub const MIN_CHARS: usize = 16;

    /// Reads `read:TOKEN` and `operate:TOKEN`, one a line or separated by commas.
    ///
    /// # Errors
    /// [`TokenError`] names the entry by its place.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let mut known: Vec<([u8; 32], Role)> = Vec::new();
        let entries = text.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty());
        for (nth, entry) in entries.enumerate() {
            let place = nth + 1;
            let (role, token) = entry.split_once(':').ok_or(TokenError::Form(place))?;
            let role = Role::from_name(role.trim()).ok_or(TokenError::Form(place))?;
            let digest = digest(checked(place, token.trim())?);
            if known.iter().any(|(earlier, _)| *earlier == digest) {
                return Err(TokenError::Repeated(place));
            }
            known.push((digest, role));
        }
        if known.is_empty() { Err(TokenError::Empty) } else { Ok(Self { known }) }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The role of a token; looks at every byte of every token that there is.
    fn role(&self, presented: &[u8]) -> Option<Role> {
        let presented = digest(presented);
        let mut role = None;
        for (known, its_role) in &self.known {
            let difference = known.iter().zip(&presented).fold(0_u8, |sum, (a, b)| sum | (a ^ b));
            if std::hint::black_box(difference) == 0 {
                role = Some(*its_role);
            }
        }
        role
    }
}

fn checked(entry: usize, token: &str) -> Result<&[u8], TokenError> {
    let n_chars = token.chars().count();
    if n_chars < Tokens::MIN_CHARS {
        return Err(TokenError::TooShort { entry, n_chars });
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokenError::Characters(entry));
    }
    Ok(token.as_bytes())
}

fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Lets pass whoever may read.
pub(super) async fn require_read(State(api): State<Api>, request: Request, next: Next) -> Response {
    admit(&api, Role::Read, request, next).await
}

/// Lets pass whoever may operate.
pub(super) async fn require_operate(
    State(api): State<Api>,
    request: Request,
    next: Next,
) -> Response {
    admit(&api, Role::Operate, request, next).await
}

async fn admit(api: &Api, needed: Role, request: Request, next: Next) -> Response {
    match check(&api.tokens(), needed, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(tokens: &Tokens, needed: Role, headers: &HeaderMap) -> Result<(), Problem> {
    if tokens.is_empty() {
        return Ok(());
    }
    let Some(presented) = bearer(headers) else {
        let why = "this needs a token: `Authorization: Bearer TOKEN`";
        return Err(unauthorized("Bearer realm=\"speedfit\"", why));
    };
    match tokens.role(presented) {
        None => Err(unauthorized(
            "Bearer realm=\"speedfit\", error=\"invalid_token\"",
            "the token is not known here",
        )),
        Some(role) if role < needed => {
            let why = "this needs a token with the role `operate`; this one may read only";
            let status = StatusCode::FORBIDDEN;
            Err(Problem::new(status, "forbidden", "The token does not allow it", why))
        }
        Some(_) => Ok(()),
    }
}

fn unauthorized(challenge: &'static str, why: &str) -> Problem {
    let status = StatusCode::UNAUTHORIZED;
    Problem::new(status, "unauthorized", "There is no token, or it is not known", why)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

/// What follows `Bearer`, where that is the scheme; of several headers none is taken.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?.as_bytes(), values.next()) else { return None };
    let at = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, token) = value.split_at(at);
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_tokens_are_read_or_blamed_by_place() {
        let check = |text: &str, expected: Result<usize, TokenError>| {
            assert_eq!(Tokens::parse(text).map(|tokens| tokens.known.len()), expected, "{text}");
        };
        check("read:0123456789abcdef", Ok(1));
        check("read:0123456789abcdef, operate:0123456789abcdeF\n\n", Ok(2));
        check("read:0123456789abcdef\r\noperate:x:y:0123456789abcdef", Ok(2));
        check("", Err(TokenError::Empty));
        check(" ,\n", Err(TokenError::Empty));
        check("0123456789abcdef0123", Err(TokenError::Form(1)));
        check("read:0123456789abcdef,admin:0123456789abcdef", Err(TokenError::Form(2)));
        check("read:0123456789abcde", Err(TokenError::TooShort { entry: 1, n_chars: 15 }));
        check("read:0123456789 abcdef", Err(TokenError::Characters(1)));
        check("read:0123456789abcdéf", Err(TokenError::Characters(1)));
        let twice = "read:0123456789abcdef,operate:0123456789abcdef";
        check(twice, Err(TokenError::Repeated(2)));
    }

    #[test]
    fn no_error_names_a_token() {
        for text in ["read:hunter2", "hunter2", "read:hunter2 hunter2 hunter2"] {
            assert!(!Tokens::parse(text).map(|_| ()).unwrap_err().to_string().contains("hunter2"));
        }
    }

    #[test]
    fn a_token_has_its_role_and_no_other_has_one() {
        let tokens = Tokens::parse("read:0123456789abcdef,operate:fedcba9876543210").unwrap();
        let check = |token: &str, expected: Option<Role>| {
            assert_eq!(tokens.role(token.as_bytes()), expected, "{token}");
        };
        check("0123456789abcdef", Some(Role::Read));
        check("fedcba9876543210", Some(Role::Operate));
        check("0123456789abcdeF", None);
        check("0123456789abcdef0", None);
        check("", None);
    }
}
