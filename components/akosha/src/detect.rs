//! What is unusual in a history, and why.
