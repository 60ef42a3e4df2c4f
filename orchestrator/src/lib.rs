//! The orchestrator of `owaim`.
