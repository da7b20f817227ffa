//! From a component's lists to a shell that runs.

use std::{process::ExitCode, sync::Arc, time::Duration};

use session_model::ComponentName;

use crate::{
    arguments::{self, ShellArgs},
    console::Console,
    helper::{Action, Context, Helper, HelperError, IntoAction, IntoReply, Magic, Object},
    language::{Signature, is_usable_name},
    output::Reply,
    shell::{self, Offer},
};

/// What every shell has.
const BUILT_IN_NAMES: [&str; 7] = [
    "exit", "help", "quit", "shell", "sleep", "to_csv", "to_json",
];
/// How long a script may run without a helper: 60 seconds. Nobody's arithmetic takes longer; an endless loop does.
const SCRIPT_TIME_MAX: Duration = Duration::from_mins(1);

/// A shell for administrators of a component.
///
/// Each run of it is a tracked session: nothing has to be written, configured or started for that.
#[derive(Debug)]
pub struct AdminShell;

/// A shell in the making.
#[must_use]
pub struct Builder {
    pub(crate) component: Result<ComponentName, String>,
    pub(crate) version: String,
    pub(crate) title: String,
    /// What the prompt begins with: the component's name, capitalised.
    pub(crate) prompt: String,
    pub(crate) shell_type: String,
    pub(crate) adapters: Vec<String>,
    pub(crate) metadata: serde_json::Map<String, serde_json::Value>,
    pub(crate) tracked: bool,
    pub(crate) fail_closed: bool,
    pub(crate) records_errors: bool,
    pub(crate) script_time_max: Duration,
    pub(crate) offer: Offer,
    /// What is wrong with what the component said; a shell with one does not run.
    pub(crate) mistakes: Vec<String>,
}

impl AdminShell {
    /// Begins a shell of a component: 1 to 100 characters of `[A-Za-z0-9_-]`.
    pub fn builder(component: &str, version: &str) -> Builder {
        let title = capitalised(component);
        Builder {
            component: component.parse(),
            version: version.to_owned(),
            shell_type: format!("{}Shell", title.replace([' ', '-', '_'], "")),
            prompt: title.clone(),
            title,
            adapters: Vec::new(),
            metadata: serde_json::Map::new(),
            tracked: true,
            fail_closed: false,
            records_errors: false,
            script_time_max: SCRIPT_TIME_MAX,
            offer: Offer::default(),
            mistakes: Vec::new(),
        }
    }
}

impl Builder {
    /// Names what the component works with; shown in the banner and kept with the session.
    pub fn adapters(mut self, adapters: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.adapters = adapters.into_iter().map(Into::into).collect();
        self
    }

    /// Names the kind of shell, such as `BillingShell`, which is the default for `billing`; cut to 200 characters.
    pub fn shell_type(mut self, shell_type: impl Into<String>) -> Self {
        self.shell_type = shell_type.into();
        self
    }

    /// Says in a line what the component is; shown in the banner.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Adds something that is kept with each session.
    pub fn metadata(mut self, key: &str, value: impl Into<serde_json::Value>) -> Self {
        self.metadata.insert(key.to_owned(), value.into());
        self
    }

    /// Puts a function into the shell. Its usage is a line like `refund(order_id, note="") - refund an order`, from which
    /// come names and defaults of its arguments and its help.
    ///
    /// ```no_run
    /// # use admin_shell::AdminShell;
    /// AdminShell::builder("billing", "1.0.0")
    ///     .helper("refund(order_id) - refund an order", |order_id: i64| format!("refunded {order_id}"))
    ///     .run();
    /// ```
    pub fn helper<Marker, Function: IntoAction<Marker>>(
        mut self,
        usage: &str,
        function: Function,
    ) -> Self {
        match Signature::parse(usage) {
            Ok(signature) => self.add_helper(signature, Function::ARITY, function.into_action()),
            Err(error) => self.mistakes.push(error.to_string()),
        }
        self
    }

    /// Puts a value into the shell, which is looked at each time that it is used.
    pub fn object<Value: IntoReply>(
        mut self,
        name: &str,
        summary: &str,
        value: impl Fn() -> Value + Send + Sync + 'static,
    ) -> Self {
        self.check_name(name);
        self.offer.objects.push(Object {
            name: name.to_owned(),
            summary: summary.to_owned(),
            value: Arc::new(move || value().into_reply().unwrap_or(Reply::Nothing)),
        });
        self
    }

    /// Puts a magic into the shell. Its usage is a line like `%repos [tag] - list repositories`; the function gets what
    /// follows the name.
    pub fn magic<Given: IntoReply>(
        mut self,
        usage: &str,
        function: impl Fn(&Context, &str) -> Given + Send + Sync + 'static,
    ) -> Self {
        let parts = usage
            .strip_prefix('%')
            .and_then(|usage| usage.split_once(" - "));
        let Some((call, summary)) = parts else {
            self.mistakes.push(format!(
                "{usage:?} is no usage such as \"%repos [tag] - list repositories\""
            ));
            return self;
        };
        let (name, arguments) = call.split_once(' ').unwrap_or((call, ""));
        if self.offer.magics.iter().any(|magic| magic.name == name) {
            self.mistakes.push(format!("%{name} is there twice"));
        }
        self.offer.magics.push(Magic {
            name: name.trim().to_owned(),
            arguments: arguments.trim().to_owned(),
            summary: summary.trim().to_owned(),
            action: Arc::new(move |context, rest| -> Result<Reply, HelperError> {
                function(context, rest).into_reply()
            }),
        });
        self
    }

    /// Leaves the sessions of this shell untracked, where `false`.
    pub const fn tracked(mut self, tracked: bool) -> Self {
        self.tracked = tracked;
        self
    }

    /// Opens the shell only once a server has acknowledged its start, which may take 5 seconds; else the exit code is 69.
    pub const fn fail_closed(mut self) -> Self {
        self.fail_closed = true;
        self
    }

    /// Keeps the text of the last error with the session, not only the number of errors.
    pub const fn record_errors(mut self) -> Self {
        self.records_errors = true;
        self
    }

    /// Says how long a script may run without a helper: 60 seconds by default.
    pub const fn script_time_max(mut self, time: Duration) -> Self {
        self.script_time_max = time;
        self
    }

    /// Runs the shell with the arguments of this process, and gives its exit code. Help, version and wrong usage end the
    /// process.
    pub fn run(self) -> ExitCode {
        let component = self
            .component
            .as_ref()
            .map_or("shell", |name| name.as_str());
        let arguments = arguments::of_this_process(component, &self.version);
        self.run_with(&arguments)
    }

    /// Runs the shell of a component that has a command line of its own.
    pub fn run_with(self, arguments: &ShellArgs) -> ExitCode {
        shell::run(self, arguments)
    }

    /// Tells what is wrong with what the component said, and whether something is.
    pub(crate) fn tell_mistakes(&self, console: &Console) -> bool {
        let mistakes = self.component.as_ref().err().into_iter();
        let mut found = false;
        for mistake in mistakes.chain(&self.mistakes) {
            found = true;
            console.tell(format_args!(
                "error: this shell is put together wrongly: {mistake}"
            ));
        }
        found
    }

    fn add_helper(&mut self, signature: Signature, arity: usize, action: Action) {
        let name = &signature.name;
        let count = signature.parameters.len();
        if count != arity {
            self.mistakes.push(format!(
                "{name} is explained with {count} parameters and takes {arity}"
            ));
        }
        if self
            .offer
            .helpers
            .iter()
            .any(|helper| helper.signature.name == *name)
        {
            self.mistakes.push(format!("{name} is there twice"));
        }
        self.check_name(name);
        self.offer.helpers.push(Helper { signature, action });
    }

    /// Finds a mistake in a name that a helper or an object cannot have.
    fn check_name(&mut self, name: &str) {
        if !is_usable_name(name) || BUILT_IN_NAMES.contains(&name) {
            self.mistakes
                .push(format!("{name} is a word of the language, or no name"));
        }
    }
}

fn capitalised(component: &str) -> String {
    let words = component.split(['-', '_']).map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|c| c.to_uppercase().to_string());
        format!("{}{}", first.unwrap_or_default(), letters.as_str())
    });
    words.collect::<Vec<_>>().join("-")
}
