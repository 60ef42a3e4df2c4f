//! The binary `owaim`.

fn main() -> std::process::ExitCode {
    owaim::commands::main()
}
