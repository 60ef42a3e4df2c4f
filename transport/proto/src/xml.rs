//! A small XML tree over a real parser and writer, with limits.
