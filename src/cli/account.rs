//! The account under which this process runs, for the ledger, where no variable names its user: in a
//! container, under a service manager.

use std::fs;

/// The account's name; its number where the system has no name for it (`uid 65532`), `unknown` where
/// the system does not say.
pub(super) fn name() -> String {
    let Some(uid) = uid() else { return "unknown".to_owned() };
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_in(&accounts, uid).unwrap_or_else(|| format!("uid {uid}"))
}

/// The owner of the process's own entry among processes, where there are such entries.
#[cfg(unix)]
fn uid() -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").ok().map(|entry| entry.uid())
}

#[cfg(not(unix))]
fn uid() -> Option<u32> {
    None
}

/// The name of an account in the form of passwd(5): `name:password:uid:…`, a line each.
fn name_in(accounts: &str, uid: u32) -> Option<String> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_its_name() {
        let accounts =
            "root:x:0:0:root:/root:/bin/sh\n# a comment\n:x:7:7\nops:x:1001:1001::/home/ops:\n";
        let check = |uid, expected: Option<&str>| {
            assert_eq!(name_in(accounts, uid).as_deref(), expected);
        };
        check(0, Some("root"));
        check(1001, Some("ops"));
        check(7, None);
        check(65532, None);
    }
}
