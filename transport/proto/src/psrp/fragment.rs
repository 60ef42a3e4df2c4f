//! [`Fragmenter`] and [`Defragmenter`]: messages cut into fragments and put together again
//! ([MS-PSRP] 2.2.4).
//!
//! One of each belongs to every stream of a shell or command; the ids of the objects are given
//! out by the whole runspace pool ([`ObjectIds`]). What a message says is not looked at here.

use std::collections::VecDeque;

/// Size of a fragment's head: object id, fragment id, flags, length.
const HEAD: usize = 21;
const START: u8 = 1;
const END: u8 = 2;

/// Gives out object ids, from 1 on.
#[derive(Debug, Default)]
pub struct ObjectIds(u64);

impl ObjectIds {
    fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// Messages on their way out over one stream.
#[derive(Debug, Default)]
pub struct Fragmenter {
    queue: VecDeque<Outgoing>,
}

#[derive(Debug)]
struct Outgoing {
    object_id: u64,
    fragment_id: u64,
    message: Vec<u8>,
    sent: usize,
}

impl Fragmenter {
    /// Appends a message.
    pub fn push(&mut self, ids: &mut ObjectIds, message: Vec<u8>) {
        self.queue.push_back(Outgoing {
            object_id: ids.next(),
            fragment_id: 0,
            message,
            sent: 0,
        });
    }

    /// Whether everything has been taken.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The next fragment, of at most `room` bytes; `None` if there is nothing, or less room than
    /// for a head and one byte.
    pub fn fragment(&mut self, room: usize) -> Option<Vec<u8>> {
        let outgoing = self.queue.front_mut()?;
        let rest = outgoing.message.get(outgoing.sent..).unwrap_or_default();
        // The length is a signed number of 32 bits.
        let take = room
            .checked_sub(HEAD)?
            .min(rest.len())
            .min(i32::MAX as usize);
        if take == 0 && !rest.is_empty() {
            return None;
        }
        let (start, end) = (outgoing.sent == 0, take == rest.len());
        let mut fragment = Vec::with_capacity(HEAD + take);
        fragment.extend(outgoing.object_id.to_be_bytes());
        fragment.extend(outgoing.fragment_id.to_be_bytes());
        fragment.push(if start { START } else { 0 } | if end { END } else { 0 });
        fragment.extend(u32::try_from(take).unwrap_or(u32::MAX).to_be_bytes());
        fragment.extend(rest.iter().take(take));
        outgoing.sent += take;
        outgoing.fragment_id += 1;
        if end {
            self.queue.pop_front();
        }
        Some(fragment)
    }

    /// As many fragments as fit into `room` bytes, one after the other; `None` if none does.
    pub fn take(&mut self, room: usize) -> Option<Vec<u8>> {
        let mut blob = Vec::new();
        while let Some(fragment) = self.fragment(room - blob.len()) {
            if blob.is_empty() {
                blob = fragment;
            } else {
                blob.extend(fragment);
            }
        }
        (!blob.is_empty()).then_some(blob)
    }
}

/// How much a [`Defragmenter`] takes before it refuses.
#[derive(Debug, Clone, Copy)]
pub struct FragmentLimits {
    /// Size of a message in bytes.
    pub message: usize,
    /// Size of all messages of a stream, in bytes.
    pub total: usize,
}

impl Default for FragmentLimits {
    /// 32 MiB a message (servers refuse more than 10 to 200 MB themselves, by their
    /// `MaximumReceivedObjectSize`), 256 MiB a stream.
    fn default() -> Self {
        Self {
            message: 32 << 20,
            total: 256 << 20,
        }
    }
}

/// Why fragments cannot be put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FragmentError {
    /// An object id that is not above the ones before it.
    #[error("object {found} follows object {last}")]
    ObjectOrder {
        /// The last id.
        last: u64,
        /// The id that came.
        found: u64,
    },
    /// Another object begins while one is not complete.
    #[error("a fragment of object {found} within object {open}")]
    Interleaved {
        /// The object that is not complete.
        open: u64,
        /// The object that came.
        found: u64,
    },
    /// A fragment is missing, doubled or out of order.
    #[error("object {object}: fragment {found}, expected {expected}")]
    FragmentOrder {
        /// The object.
        object: u64,
        /// The id expected.
        expected: u64,
        /// The id that came.
        found: u64,
    },
    /// The start flag where it does not belong, or not where it does.
    #[error("object {object}: fragment {fragment} has a wrong start flag")]
    StartFlag {
        /// The object.
        object: u64,
        /// The fragment.
        fragment: u64,
    },
    /// Beyond a limit.
    #[error("object {object}: more than {limit} bytes {of}")]
    TooLarge {
        /// The object.
        object: u64,
        /// The limit.
        limit: usize,
        /// `in a message`, `in a stream`.
        of: &'static str,
    },
    /// The stream ended within a fragment or message.
    #[error("the stream ends within an object")]
    Incomplete,
}

/// Messages on their way in over one stream.
#[derive(Debug)]
pub struct Defragmenter {
    limits: FragmentLimits,
    /// Bytes of a fragment that is not complete yet.
    buffer: Vec<u8>,
    /// The message that is not complete yet.
    open: Option<Incoming>,
    last_object: u64,
    total: usize,
}

#[derive(Debug)]
struct Incoming {
    object_id: u64,
    next_fragment: u64,
    message: Vec<u8>,
}

struct Head {
    object: u64,
    fragment: u64,
    flags: u8,
    length: usize,
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (object, bytes) = bytes.split_first_chunk::<8>()?;
        let (fragment, bytes) = bytes.split_first_chunk::<8>()?;
        let (flags, bytes) = bytes.split_first()?;
        let (length, _) = bytes.split_first_chunk::<4>()?;
        Some(Self {
            object: u64::from_be_bytes(*object),
            fragment: u64::from_be_bytes(*fragment),
            flags: *flags,
            length: usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX),
        })
    }
}

impl Defragmenter {
    /// For a stream of which nothing has come yet.
    pub fn new(limits: FragmentLimits) -> Self {
        Self {
            limits,
            buffer: Vec::new(),
            open: None,
            last_object: 0,
            total: 0,
        }
    }

    /// Takes bytes of the stream; gives the messages that are complete with them.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, FragmentError> {
        self.buffer.extend_from_slice(bytes);
        let buffer = std::mem::take(&mut self.buffer);
        let (mut rest, mut messages) = (buffer.as_slice(), Vec::new());
        while let Some(head) = Head::read(rest) {
            self.check(&head)?;
            let Some(content) = rest.get(HEAD..HEAD + head.length) else {
                break;
            };
            rest = rest.get(HEAD + head.length..).unwrap_or_default();
            messages.extend(self.accept(&head, content));
        }
        // What is incomplete stays where it is: it may be long, and grow byte by byte.
        let used = buffer.len() - rest.len();
        self.buffer = buffer;
        self.buffer.drain(..used);
        Ok(messages)
    }

    /// Whether the stream may end here.
    pub fn finish(&self) -> Result<(), FragmentError> {
        if self.open.is_some() || !self.buffer.is_empty() {
            Err(FragmentError::Incomplete)
        } else {
            Ok(())
        }
    }

    /// Checks a head before its content is waited for, so that a length that lies costs nothing.
    fn check(&self, head: &Head) -> Result<(), FragmentError> {
        let object = head.object;
        let (expected, size) = match &self.open {
            Some(open) if open.object_id != object => {
                return Err(FragmentError::Interleaved {
                    open: open.object_id,
                    found: object,
                });
            }
            Some(open) => (open.next_fragment, open.message.len()),
            None if object <= self.last_object => {
                return Err(FragmentError::ObjectOrder {
                    last: self.last_object,
                    found: object,
                });
            }
            None => (0, 0),
        };
        if head.fragment != expected {
            return Err(FragmentError::FragmentOrder {
                object,
                expected,
                found: head.fragment,
            });
        }
        if (head.flags & START != 0) != (expected == 0) {
            return Err(FragmentError::StartFlag {
                object,
                fragment: head.fragment,
            });
        }
        if head.length > self.limits.message.saturating_sub(size) {
            return Err(FragmentError::TooLarge {
                object,
                limit: self.limits.message,
                of: "in a message",
            });
        }
        if head.length > self.limits.total.saturating_sub(self.total) {
            return Err(FragmentError::TooLarge {
                object,
                limit: self.limits.total,
                of: "in a stream",
            });
        }
        Ok(())
    }

    fn accept(&mut self, head: &Head, content: &[u8]) -> Option<Vec<u8>> {
        self.total += content.len();
        let mut incoming = self.open.take().unwrap_or(Incoming {
            object_id: head.object,
            next_fragment: 0,
            message: Vec::new(),
        });
        incoming.message.extend_from_slice(content);
        incoming.next_fragment += 1;
        if head.flags & END != 0 {
            self.last_object = head.object;
            return Some(incoming.message);
        }
        self.open = Some(incoming);
        None
    }
}
