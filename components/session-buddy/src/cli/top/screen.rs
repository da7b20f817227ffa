//! The terminal, which is as it was when this is left in any way.

use std::io::{self, Stdout, stdout};

use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor::{Hide, Show},
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};

use super::{draw::draw, state::Top};

/// A terminal that is drawn on.
pub(super) struct Screen(Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    /// Takes the whole screen. After a bug the terminal is given back before it is told.
    pub(super) fn enter() -> io::Result<Self> {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |bug| {
            leave();
            told(bug);
        }));
        enable_raw_mode()?;
        // From here on it is given back, whatever fails.
        let screen = Terminal::new(CrosstermBackend::new(stdout())).map(Self);
        execute!(stdout(), EnterAlternateScreen, Hide).inspect_err(|_| leave())?;
        screen.inspect_err(|_| leave())
    }

    pub(super) fn draw(&mut self, top: &mut Top) -> io::Result<()> {
        self.0.draw(|frame| draw(top, frame)).map(drop)
    }

    /// Draws all of it anew, after others wrote on it.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.0.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// Gives the terminal back. One that is gone needs nothing.
fn leave() {
    let _ = disable_raw_mode();
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
}

#[cfg(test)]
mod tests;
