//! Wrong settings, secrets in the wrong place, wrong flags.

use super::Desk;

/// Ends with code 3 in these words, and touches nothing.
fn check(desk: &Desk, variables: &[(&str, &str)], args: &str, stderr: &str) {
    let mut command = desk.command(&args.split_whitespace().collect::<Vec<_>>());
    command.envs(variables.iter().copied());
    let said = Desk::said_by(command);
    assert_eq!(said.stderr, stderr, "{args}");
    assert_eq!((said.code, said.stdout.as_str()), (3, ""), "{args}");
    assert!(!desk.path("speedfit.db").exists());
}

#[test]
fn a_mistake_in_a_settings_file_is_blamed_on_its_line() {
    let desk = Desk::new();
    desk.write("typo.toml", "[fit]\nmodle = \"kwh\"\n");
    desk.write("secret.toml", "[store]\npassword = \"hunter2\"\n");
    desk.write("syntax.toml", "[fit\n");
    let check =
        |file: &str, stderr: &str| check(&desk, &[], &format!("run --config {file}"), stderr);
    check(
        "typo.toml",
        "error: unknown key `fit.modle` in `typo.toml:2`\nhint: did you mean `fit.model`?\n",
    );
    check(
        "secret.toml",
        "error: `store.password` in `secret.toml:2` looks like a secret, and secrets are no settings\n\
         hint: remove it and set the variable `SPEEDFIT_STORE_PASSWORD`, or the same with `_FILE`\n",
    );
    check("syntax.toml", "error: syntax.toml:1: unclosed table, expected `]`\n");
    check(
        "nosuch.toml",
        "error: cannot read the settings file `nosuch.toml`\n\
         caused by: No such file or directory (os error 2)\n\
         hint: check the file's name and its permissions\n",
    );
}

#[test]
fn a_mistake_in_the_environment_is_blamed_on_its_variable() {
    let desk = Desk::new();
    let check = |variables: &[(&str, &str)], stderr: &str| check(&desk, variables, "run", stderr);
    check(
        &[("SPEEDFIT__FIT__MODLE", "kwh")],
        "error: unknown key `fit.modle` in `SPEEDFIT__FIT__MODLE`\n\
         hint: did you mean `SPEEDFIT__FIT__MODEL`?\n",
    );
    check(
        &[("SPEEDFIT__STORE__PASSWORD", "hunter2")],
        "error: `store.password` in `SPEEDFIT__STORE__PASSWORD` looks like a secret, and secrets are \
         no settings\n\
         hint: remove it and set the variable `SPEEDFIT_STORE_PASSWORD`, or the same with `_FILE`\n",
    );
    check(
        &[("SPEEDFIT_ENV", "nosuch")],
        "error: `SPEEDFIT_ENV` is `nosuch`, but there is no file `config/nosuch.toml`\n\
         hint: set `SPEEDFIT_CONFIG_DIR` to the folder with the settings files\n",
    );
    check(
        &[("SPEEDFIT_STORE_PASSWORD", "hunter2"), ("SPEEDFIT_STORE_PASSWORD_FILE", "x")],
        "error: both `SPEEDFIT_STORE_PASSWORD` and `SPEEDFIT_STORE_PASSWORD_FILE` are set\n\
         hint: keep one of them\n",
    );
}

#[test]
fn a_wrong_value_says_what_is_allowed() {
    let desk = Desk::new();
    desk.write("good.csv", super::HEADER);
    let check = |args: &str, stderr: &str| check(&desk, &[], args, stderr);
    for command in ["fit good.csv", "run"] {
        check(
            &format!("{command} --model nosuch"),
            "error: `fit.model` in `--model`: `nosuch` is not one of `constant`, `linear`, `power`, \
             `sqrt`, `kwh`, `kwh_intercept`, `road_class`, `auto`\n",
        );
        check(
            &format!("{command} --from 2026-05-01 --to 2026-01-01"),
            "error: `window.to` (2026-01-01) must be later than `window.from` (2026-05-01) \
             (window.from: --from, window.to: --to)\n",
        );
        check(
            &format!("{command} --from yesterday"),
            "error: `window.from` in `--from`: `yesterday` is not a moment such as `2026-01-31` or \
             `2026-01-31T06:00:00+01:00`\n",
        );
    }
    check(
        "run --set gate.skip=foo",
        "error: `gate.skip` in `--set`: `foo` is not one of `unreadable`, `refused_values`, \
         `zero_values`, `refused_others`, `groups_without_fit`, `row_count`, `regions`, \
         `distribution`, `constant`, `repeated_rows`, `stale`, `future`, `history`, `new_rows`, \
         `unrelated`, `clock_times`, `weights`, `drift`\n",
    );
    check(
        "run --set embedded.max_size_mb=2000000",
        "error: `embedded.max_size_mb` must be at most 1000000, not 2000000 \
         (embedded.max_size_mb: --set)\n",
    );
}
