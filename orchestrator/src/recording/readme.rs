//! The text that lies beside a recording and says what it is.

use std::fmt::Write as _;

const HEAD: &str = "\
A recording of a run of owaim
=============================

This folder holds what the run sent to servers over WinRM and what they answered, so that the simulated site of owaim can
be corrected by it, and can replay it. READ IT BEFORE YOU GIVE IT AWAY: a program replaced the names, and no program knows
all that is confidential about a site.

What is in it
-------------
Each session with a server is a file of XML: every SOAP envelope in order, decrypted, and in it the messages of PowerShell
Remoting as readable text in place of Base64. A message that was spread over several pieces of a stream stands where it
ended. What commands returned is there: settings of Exchange, Lync and Windows, files such as Web.config, certificates,
events, the names and properties of accounts that were looked at.
site.toml is the site file by its replaced names, without comments, credentials and ways of connecting.

What was replaced
-----------------
The same name has the same replacement everywhere in this folder; which one stands for which is written nowhere.

  secrets known to the run; in files, values    [redacted]
    whose names end in key, password, pwd,
    passwd, passphrase or secret
  values that travel encrypted, session keys    [secure string], [key]
  hosts and domains of the site file, and all   host1, example, example2, ...; capitals stay capitals,
    that is below one of its DNS domains          top-level domains and labels such as mail and sip stay
  accounts, mail and SIP addresses, names of    user1, user1@example.com, name1, ...
    persons and parts of distinguished names
  site, SiteId, groups and policies of the      site1, name1, ...
    site file
  IP addresses                                  192.0.2.1, 2001:db8::1, ...; loopback stays
  SIDs of machines and domains                  S-1-5-21-1000000000-2000000000-...; the last number stays
  telephone numbers behind tel:                 +15550000001, ...
  certificates                                  issued anew: other names, serial numbers, keys and signatures
  thumbprints, hashes, and all that is 32 or    those of what was replaced, or other digits
    more hexadecimal digits
  binary data that is no text                   as many zeros

What stays
----------
GUIDs (nobody finds an object by one without its directory), versions, times, paths, names of services and features, numbers
of events, sizes, and names that are also words of PowerShell in this run, or parts of them from six letters on: a server called \"server\"
is replaced only in its full name. A name that nothing above describes stays too: in a comment, in a description, in the text of an event. So
does a secret that nothing marks as one: a token in Base64 under another name, a password in a sentence.

How to review it
----------------
Search the files for your organization's name, for your domains, for names of servers and people, and read site.toml and the
smaller files whole. What should not be there may be edited: the files are text, and a replay does not mind as long as
they stay XML and equal names stay equal.
";

/// What is in no file.
pub(super) struct Missing {
    /// Exchanges that are of no session or not understood.
    pub(super) left_out: usize,
    /// Exchanges after the one for which there was no room within `most` bytes.
    pub(super) beyond: usize,
    pub(super) most: usize,
}

/// The text for these files with their numbers of exchanges, and what was set beside the site file.
pub(super) fn text(
    files: &[(String, usize)],
    missing: &Missing,
    overrides: &[(String, String)],
) -> String {
    let mut text = String::from(HEAD);
    text.push_str("\nHow to replay it\n----------------\n");
    let mut set = String::new();
    for (key, value) in overrides {
        // Writing to a string does not fail.
        let _ = write!(set, " --set '{key}={value}'");
    }
    let _ = writeln!(
        text,
        "  owaim verify site.toml{set} --lab --lab-replay .\n\
         with the command that was recorded in place of verify. Endpoints without a recording are simulated."
    );
    text.push_str("\nFiles\n-----\n");
    for (name, exchanges) in files {
        let _ = writeln!(text, "  {name}: {exchanges} exchanges");
    }
    let Missing {
        left_out,
        beyond,
        most,
    } = missing;
    if *left_out > 0 {
        let _ = writeln!(
            text,
            "  {left_out} exchanges are in no file: they belong to no PowerShell session, or could not be understood and \
             so not sanitised"
        );
    }
    if *beyond > 0 {
        let _ = writeln!(
            text,
            "  THE RECORDING IS NOT WHOLE: its last {beyond} exchanges are in no file, since the first of them would have \
             been more than {most} bytes"
        );
    }
    text
}
