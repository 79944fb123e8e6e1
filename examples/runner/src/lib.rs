//! The example service: a code runner with a web page.
