//! Whose process it is, and who logged in.

use std::path::PathBuf;

use nix::unistd::{Uid, User};
use session_model::{UserInfo, words::LoginNameSource};

use super::variables::Variables;

/// What the password database says of a uid.
#[derive(Clone)]
struct Account {
    name: String,
    home: PathBuf,
}

/// Tells whose this process is. `login` is the uid of who logged in, where the kernel knows.
pub(super) fn of_this_process(variables: &Variables<'_>, login: Option<u32>) -> UserInfo {
    user(variables, Uid::current().as_raw(), login, &account)
}

/// Asks the password database; `None` where it does not know the uid or does not answer.
fn account(uid: u32) -> Option<Account> {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten()?;
    Some(Account {
        name: user.name,
        home: user.dir,
    })
}

fn user(
    variables: &Variables<'_>,
    uid: u32,
    login: Option<u32>,
    account: &dyn Fn(u32) -> Option<Account>,
) -> UserInfo {
    let own = account(uid);
    let username = username(variables, uid, own.as_ref());
    let login = match login {
        Some(login) if login == uid => None,
        login => login_name(variables, login.and_then(account)),
    };
    let login = login.filter(|(name, _)| *name != username);
    UserInfo {
        username: variables.door.trimmed(&username),
        home: variables
            .door
            .trimmed(&home(variables, own).to_string_lossy()),
        login_name: login.as_ref().map(|(name, _)| variables.door.text(name)),
        login_name_source: login.map(|(_, source)| source),
    }
}

fn username(variables: &Variables<'_>, uid: u32, own: Option<&Account>) -> String {
    own.map(|account| account.name.clone())
        .filter(|name| !name.trim().is_empty())
        .or_else(|| variables.text("USER"))
        .or_else(|| variables.text("USERNAME"))
        .unwrap_or_else(|| format!("uid {uid}"))
}

/// Gives an empty path where nobody knows: a made-up home would be taken for a real one.
fn home(variables: &Variables<'_>, own: Option<Account>) -> PathBuf {
    let in_database = || own.map(|account| account.home);
    variables
        .absolute_path("HOME")
        .or_else(|| in_database().filter(|home| home.is_absolute()))
        .unwrap_or_default()
}

fn login_name(
    variables: &Variables<'_>,
    login: Option<Account>,
) -> Option<(String, LoginNameSource)> {
    let by_kernel = login.map(|account| (account.name, LoginNameSource::Loginuid));
    by_kernel.or_else(|| {
        let name = variables.text("SUDO_USER")?;
        Some((name, LoginNameSource::SudoUser))
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use super::*;
    use crate::identity::variables::tests::of;
    use crate::leaving::redaction::VARIABLE;

    const ROOT: u32 = 0;
    const ALICE: u32 = 1_000;
    const NOBODY_KNOWS: u32 = 4_242;

    fn accounts(uid: u32) -> Option<Account> {
        let (name, home) = match uid {
            ROOT => ("root", "/root"),
            ALICE => ("alice", "/home/alice"),
            _ => return None,
        };
        Some(Account {
            name: name.to_owned(),
            home: home.into(),
        })
    }

    fn user_of(pairs: &[(&str, &str)], uid: u32, login: Option<u32>) -> UserInfo {
        user(&Variables::new(&of(pairs)), uid, login, &accounts)
    }

    #[test]
    fn the_password_database_names_the_user_and_variables_only_stand_in() {
        for (pairs, uid, name) in [
            (&[("USER", "mallory")][..], ALICE, "alice"),
            (&[][..], ALICE, "alice"),
            (
                &[("USER", "bob"), ("USERNAME", "rob")][..],
                NOBODY_KNOWS,
                "bob",
            ),
            (
                &[("USER", " "), ("USERNAME", "rob")][..],
                NOBODY_KNOWS,
                "rob",
            ),
            (&[][..], NOBODY_KNOWS, "uid 4242"),
        ] {
            assert_eq!(&*user_of(pairs, uid, None).username, name, "{pairs:?}");
        }
    }

    #[test]
    fn home_is_what_the_shell_works_with() {
        for (pairs, uid, home) in [
            (&[("HOME", "/srv/a")][..], ALICE, "/srv/a"),
            (&[("HOME", "a")][..], ALICE, "/home/alice"),
            (&[("HOME", "")][..], ALICE, "/home/alice"),
            (&[][..], ALICE, "/home/alice"),
            (&[][..], NOBODY_KNOWS, ""),
        ] {
            assert_eq!(&*user_of(pairs, uid, None).home, home, "{pairs:?}");
        }
    }

    #[test]
    fn who_logged_in_is_told_where_it_is_another() {
        use LoginNameSource::{Loginuid, SudoUser};
        let sudo = &[("SUDO_USER", "bob")][..];
        for (pairs, uid, login, told) in [
            (sudo, ROOT, Some(ALICE), Some(("alice", Loginuid))),
            (sudo, ROOT, None, Some(("bob", SudoUser))),
            (sudo, ROOT, Some(NOBODY_KNOWS), Some(("bob", SudoUser))),
            // The kernel knows that nobody changed, whatever the variable says.
            (sudo, ROOT, Some(ROOT), None),
            (&[("SUDO_USER", "root")][..], ROOT, None, None),
            (&[][..], ALICE, None, None),
            (&[][..], NOBODY_KNOWS, Some(NOBODY_KNOWS), None),
        ] {
            let user = user_of(pairs, uid, login);
            let name = user.login_name.as_deref();
            assert_eq!(
                name.zip(user.login_name_source),
                told,
                "{pairs:?} {uid} {login:?}"
            );
        }
    }

    #[test]
    fn names_of_any_length_and_bytes_are_taken_as_far_as_they_go() {
        let crabs = "🦀".repeat(5_000);
        let home = format!("/{crabs}");
        let pairs = [
            ("USER", crabs.as_str()),
            ("HOME", &home),
            ("SUDO_USER", &home),
        ];
        let user = user_of(&pairs, NOBODY_KNOWS, None);
        assert_eq!(*user.username, "🦀".repeat(100));
        assert_eq!(*user.home, format!("/{}", "🦀".repeat(499)));
        assert_eq!(user.login_name.unwrap().chars().count(), 100);

        let bytes = |name: &str| {
            let bytes = OsString::from_vec(vec![b'/', 0xff, b'a']);
            (name != VARIABLE).then_some(bytes)
        };
        let user = super::user(&Variables::new(&bytes), NOBODY_KNOWS, None, &accounts);
        assert_eq!((&*user.username, &*user.home), ("/\u{fffd}a", "/\u{fffd}a"));
    }
}
