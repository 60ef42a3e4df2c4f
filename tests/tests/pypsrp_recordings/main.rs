//! The conversations that `pypsrp` recorded with real servers, held again by our client: it is driven through the
//! same scenario, what it sends is compared with what was recorded, and what it gives with what `pypsrp`'s own
//! tests expect.
//!
//! A recorded server stands behind a socket ([`server::Server`]) and answers in the recorded order. Envelopes are
//! compared element by element, PSRP messages whole and property by property, however they were cut into
//! fragments; ids are those of the recording, wherever ours stand for them. What may differ is in
//! [`allowed::DIFFERENCES`], or at the head of the one scenario that it concerns.
#![allow(clippy::unwrap_used)]
// The recordings are fetched by a Python of this machine, and session keys are calculated by it.
#![cfg(unix)]

mod allowed;
mod facts;
mod ids;
mod key;
mod replay;
mod request;
mod server;
mod streams;

mod files;
mod hosts;
mod pipelines;
mod pools;
mod programs;
mod service;

#[path = "../support/conversation.rs"]
mod conversation;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::pin::Pin;

use owaim_tests::interop::Interop;

use key::SessionKeys;
use server::Server;

/// Drives our client through a conversation.
type Scenario = fn(Server) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! scenarios {
    ($($file:literal => $scenario:path,)*) => {
        &[$(($file, |server| Box::pin($scenario(server)))),*]
    };
}

/// Every recording, and its scenario.
const SCENARIOS: &[(&str, Scenario)] = scenarios! {
    "test_psrp_open_runspace" => pools::open,
    "test_psrp_set_runspaces" => pools::set_runspaces,
    "test_psrp_key_exchange_timeout" => pools::key_exchange_timeout,
    "test_psrp_disconnect_runspaces" => pools::disconnect_runspaces,
    "test_psrp_disconnected_commands" => pools::disconnected_commands,
    "test_psrp_application_args" => pools::application_arguments,
    "test_psrp_no_profile" => pools::no_profile,
    "test_psrp_is_alive_invalid_selectors" => pools::is_alive_unknown,
    "test_psrp_is_alive_state_disconnected" => pools::is_alive_disconnected,
    "test_psrp_is_alive_http_error" => pools::is_alive_lost,
    "test_psrp_is_alive_other_wsman_error" => pools::is_alive_fault,
    "test_psrp_get_command_metadata" => pools::command_metadata,
    "test_psrp_reset_runspace_state" => pools::reset,
    "test_psrp_reset_runspace_state_fail" => pools::reset_fails,
    "test_psrp_with_jea_configuration" => pools::jea,
    "test_psrp_multiple_commands" => pipelines::multiple_commands,
    "test_psrp_multiple_invocations" => pipelines::multiple_invocations,
    "test_psrp_run_protocol_version_2.1" => pipelines::protocol_2_1,
    "test_psrp_run_protocol_version_2.2" => pipelines::protocol_2_2,
    "test_psrp_run_protocol_version_2.3" => pipelines::protocol_2_3,
    "test_psrp_nested_command" => pipelines::nested,
    "test_psrp_stream_output_invocation" => pipelines::streams_with_invocation,
    "test_psrp_stream_no_output_invocation" => pipelines::streams_without_invocation,
    "test_psrp_merge_commands" => pipelines::merge,
    "test_psrp_error_failed" => pipelines::failed,
    "test_psrp_with_history" => pipelines::history,
    "test_psrp_with_no_history" => pipelines::no_history,
    "test_psrp_with_input" => pipelines::input,
    "test_psrp_small_msg_size" => pipelines::small_messages,
    "test_psrp_long_running_cmdlet" => pipelines::long_running,
    "test_psrp_clear_commands" => pipelines::clear_commands,
    "test_psrp_receive_failure" => pipelines::receive_failure,
    "test_psrp_pshost_methods" => hosts::methods,
    "test_psrp_pshost_ui_mocked_methods" => hosts::user_interface,
    "test_psrp_pshost_raw_ui_mocked_methods" => hosts::raw_user_interface,
    "test_winrs_standard" => programs::standard,
    "test_winrs_no_cmd_shell" => programs::no_cmd_shell,
    "test_winrs_operation_timeout" => programs::operation_timeout,
    "test_winrs_stderr_rc" => programs::standard_error,
    "test_winrs_send" => programs::input,
    "test_winrs_environment" => programs::environment,
    "test_winrs_extra_opts" => programs::extra_options,
    "test_winrs_unicode" => programs::unicode,
    "test_winrs_noprofile" => programs::no_profile,
    "test_winrs_open_already_opened" => programs::open,
    "test_winrs_fail_poll_process" => programs::poll_fails,
    "test_winrs_bad_cmd_id" => programs::bad_command_id,
    "test_client_execute_cmd" => programs::execute,
    "test_client_execute_cmd_environment" => programs::execute_with_environment,
    "test_client_execute_ps" => pipelines::execute,
    "test_client_execute_ps_environment" => pipelines::execute_with_environment,
    "test_client_execute_ps_failure" => pipelines::execute_fails,
    "test_client_copy_file" => files::copy,
    "test_client_copy_file_empty" => files::copy_empty,
    "test_client_copy_file_really_large" => files::copy_large,
    "test_client_copy_file_failure" => files::copy_fails,
    "test_client_copy_expand_vars" => files::copy_expands,
    "test_client_fetch_file" => files::fetch,
    "test_client_fetch_file_expand_vars" => files::fetch_expands,
    "test_client_fetch_file_fail_dir" => files::fetch_of_folder,
    "test_client_fetch_file_fail_missing" => files::fetch_of_nothing,
    "test_client_fetch_file_hash_mismatch" => files::fetch_of_other,
    "test_wsman_update_envelope_size_150" => service::envelope_150,
    "test_wsman_update_envelope_size_500" => service::envelope_500,
    "test_wsman_update_envelope_size_4096" => service::envelope_4096,
};

/// Recordings that are left out, and why: five at most.
const LEFT_OUT: &[(&str, &str)] = &[(
    "test_client_copy_file_warning",
    "put together from two recordings, by hand: a message of another pool and another command is among the \
     output, and its fragment is numbered out of order. No server sends that, and our client refuses each of it",
)];

#[test]
fn every_recording_has_a_scenario_or_a_reason() {
    let found: BTreeSet<String> = recordings().0.into_keys().collect();
    let scenarios = SCENARIOS.iter().map(|(name, _)| *name);
    let named: Vec<String> = scenarios
        .chain(LEFT_OUT.iter().map(|(name, _)| *name))
        .map(str::to_owned)
        .collect();
    assert!(LEFT_OUT.len() <= 5 && LEFT_OUT.iter().all(|(_, why)| !why.is_empty()));
    assert_eq!(found.len(), 66);
    assert_eq!(named.len(), 66, "one row per recording");
    assert_eq!(BTreeSet::from_iter(named), found);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recording_replays() {
    let (recordings, keys) = recordings();
    // For those who look for one of them.
    let only = std::env::var("RECORDING").unwrap_or_default();
    let (mut table, mut failed) = (String::new(), 0);
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, scenario) in SCENARIOS.iter().filter(|(name, _)| name.contains(&only)) {
        let exchanges = &recordings[*name];
        let server = Server::start(name, exchanges, keys.clone()).await;
        // A scenario that fails must not take the others with it.
        let driven = tokio::spawn(scenario(server.clone())).await;
        let (mut problems, used) = server.finish();
        if let Err(error) = driven {
            let panic = error.into_panic();
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            problems.push(format!("the scenario: {}", text.unwrap_or_default()));
        }
        let verdict = if problems.is_empty() { "ok" } else { "FAILED" };
        writeln!(table, "{verdict:6} {name} ({} exchanges)", exchanges.len()).unwrap();
        for problem in &problems {
            writeln!(table, "       {problem}").unwrap();
        }
        failed += usize::from(!problems.is_empty());
        for reason in used {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    for (name, why) in LEFT_OUT {
        writeln!(table, "left out {name}: {why}").unwrap();
    }
    writeln!(table, "what differed, and may:").unwrap();
    for (reason, times) in &reasons {
        writeln!(table, "{times:6} {reason}").unwrap();
    }
    std::io::Write::write_all(&mut std::io::stderr(), table.as_bytes()).unwrap();
    assert_eq!(failed, 0, "{table}");
    // What is allowed and does not occur is not needed.
    for allowed in allowed::DIFFERENCES {
        assert!(
            !only.is_empty() || reasons.contains_key(allowed.why),
            "{allowed:?}"
        );
    }
}

/// The recordings by their names, and what belongs to their session keys.
fn recordings() -> (BTreeMap<String, Vec<conversation::Exchange>>, SessionKeys) {
    let interop = Interop::fetch().unwrap_or_else(|error| panic!("{error}"));
    let tests = interop
        .source_distribution("pypsrp-0.9.1")
        .join("tests/tests_pypsrp");
    let found = conversation::conversations(&tests.join("responses"));
    let found = found
        .into_iter()
        .map(|(name, exchanges)| (name.trim_end_matches(".yml").to_owned(), exchanges));
    let keys = SessionKeys {
        python: interop.python(),
        tests: tests.join("test_powershell.py"),
    };
    (found.collect(), keys)
}
