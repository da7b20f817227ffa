//! An app while it is written: shown from memory, and shown again when a file changes.
//!
//! Only this machine is answered. What is asked for is looked up among the paths that there are, so no path of a request ever
//! becomes the name of a file.

mod answer;
mod watch;

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::Router;
use tokio::{
    net::TcpListener,
    sync::mpsc::{Receiver, Sender, channel},
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

use crate::{App, Data, Given, Problem, Run, gather};

/// How often files are looked at: 250 ms, which feels at once; a look at 1,000 files takes about 2 ms.
const LOOK: Duration = Duration::from_millis(250);
/// How many browsers are told of changes at a time.
const BROWSERS_MAX: usize = 64;

/// What is served, and to whom.
#[derive(Clone, Debug)]
pub struct Served {
    /// The folder of the app.
    pub folder: PathBuf,
    /// What is given to it instead of what it says.
    pub given: BTreeMap<String, Given>,
    /// The role of whoever looks.
    pub role: Option<String>,
    /// Where to listen; 0 for any port.
    pub port: u16,
}

/// What happens to a server.
#[derive(Clone, Debug)]
pub enum News {
    /// It listens there.
    Listening(SocketAddr),
    /// The app was read, and this is wrong with it.
    Read(Vec<Problem>),
}

/// An app as it was last read.
#[derive(Debug, Default)]
struct Seen {
    app: Option<App>,
    data: Data,
    problems: Vec<Problem>,
}

struct Shared {
    seen: Mutex<Arc<Seen>>,
    role: Option<String>,
    browsers: Mutex<Vec<Sender<()>>>,
}

impl Shared {
    fn seen(&self) -> Arc<Seen> {
        Arc::clone(&lock(&self.seen))
    }

    /// Takes in a browser that wants to be told of changes; `None` if there are too many.
    fn browser(&self) -> Option<Receiver<()>> {
        let mut browsers = lock(&self.browsers);
        browsers.retain(|browser| !browser.is_closed());
        if browsers.len() == BROWSERS_MAX {
            return None;
        }
        let (sender, receiver) = channel(1);
        browsers.push(sender);
        Some(receiver)
    }

    fn change(&self, seen: Seen) {
        *lock(&self.seen) = Arc::new(seen);
        // Who has not yet heard of the last change hears of this one with it.
        lock(&self.browsers).retain(|browser| {
            let _ = browser.try_send(());
            !browser.is_closed()
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves an app until `stop` says so, which is asked four times a second. `run` runs the programs that data comes from, each
/// once.
///
/// # Errors
///
/// The port is taken, or there can be no server at all.
pub fn serve(
    served: &Served,
    run: Run<'_>,
    stop: &dyn Fn() -> bool,
    news: &mut dyn FnMut(News),
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(listen(served, run, stop, news));
    // Browsers that still listen are left.
    runtime.shutdown_background();
    done
}

async fn listen(
    served: &Served,
    run: Run<'_>,
    stop: &dyn Fn() -> bool,
    news: &mut dyn FnMut(News),
) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, served.port)).await?;
    let mut outputs = HashMap::new();
    let seen = look(served, &mut outputs, run);
    let problems = seen.problems.clone();
    let shared = Arc::new(Shared {
        seen: Mutex::new(Arc::new(seen)),
        role: served.role.clone(),
        browsers: Mutex::default(),
    });
    news(News::Listening(listener.local_addr()?));
    news(News::Read(problems));
    let router = Router::new()
        .route(answer::CHANGES, axum::routing::get(answer::changes))
        .fallback(answer::answer)
        .with_state(Arc::clone(&shared));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let mut watched = watch::stamp(&served.folder, &served.given);
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stop() && !server.is_finished() {
        ticks.tick().await;
        let (folder, given) = (served.folder.clone(), served.given.clone());
        let looked = spawn_blocking(move || watch::stamp(&folder, &given)).await;
        let Ok(now) = looked else { continue };
        if now != watched {
            watched = now;
            let seen = look(served, &mut outputs, run);
            news(News::Read(seen.problems.clone()));
            shared.change(seen);
        }
    }
    server.abort();
    Ok(())
}

/// Reads an app and its data. A program runs once: what it gives is kept.
fn look(served: &Served, outputs: &mut HashMap<String, Vec<u8>>, run: Run<'_>) -> Seen {
    let (app, mut problems) = match App::look(&served.folder) {
        Ok(looked) => looked,
        Err(problems) => {
            return Seen {
                problems: problems.0,
                ..Seen::default()
            };
        }
    };
    let mut once = |words: &[&str]| {
        let command = words.join(" ");
        if let Some(output) = outputs.get(&command) {
            return Ok(output.clone());
        }
        let output = run(words)?;
        outputs.insert(command, output.clone());
        Ok(output)
    };
    let data = match gather(&app, &served.given, &mut once) {
        Ok(data) => data,
        Err(found) => {
            problems.extend(found.0);
            Data::new()
        }
    };
    Seen {
        app: Some(app),
        data,
        problems,
    }
}

/// Gives the files that data is read from.
fn data_files<'a>(
    folder: &'a Path,
    given: &'a BTreeMap<String, Given>,
) -> impl Iterator<Item = PathBuf> + 'a {
    let given = given.values().filter_map(|given| match given {
        Given::File(path) => Some(path.clone()),
        Given::Input | Given::Value(_) => None,
    });
    given.chain([folder.to_owned()])
}
