//! A local stand-in for the clouds: real processes, real registry, real proxy.
