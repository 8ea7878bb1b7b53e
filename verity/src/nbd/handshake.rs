//! The first phase: client and server agree on an export and on the form of the replies.

use std::io::{Read, Write};

use super::limits::{MAX_OPTION_BYTES, MAX_OPTIONS};
use super::protocol::{
    self, ALLOCATION, ClientFlags, ContextRequest, InfoRequest, OPT_ABORT, OPT_EXPORT_NAME, OPT_GO,
    OPT_INFO, OPT_LIST, OPT_LIST_META_CONTEXT, OPT_SET_META_CONTEXT, OPT_STARTTLS,
    OPT_STRUCTURED_REPLY, OptionHeader, REP_ACK, REP_ERR_INVALID, REP_ERR_POLICY, REP_ERR_UNKNOWN,
    REP_ERR_UNSUP, REP_INFO, REP_META_CONTEXT, REP_SERVER,
};
use super::wire::Wire;
use super::{Export, SessionError};
use crate::io::ReadAt;

/// What a client has asked for before its first request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Agreed {
    /// Replies are structured.
    pub(super) structured: bool,
    /// The status of blocks may be asked for.
    pub(super) allocation: bool,
}

/// Agrees with a client. Returns nothing if it is content with what it has heard.
pub(super) fn run<R: ReadAt, I: Read, O: Write>(
    export: &Export<R>,
    wire: &mut Wire<I, O>,
) -> Result<Option<Agreed>, SessionError> {
    wire.write(&protocol::greeting())?;
    let Some(flags) = wire.message()? else { return Ok(None) };
    let mut handshake =
        Handshake { export, client: ClientFlags::parse(&flags)?, agreed: Agreed::default() };
    for _ in 0..MAX_OPTIONS {
        let Some(header) = wire.message()? else { return Ok(None) };
        let header = OptionHeader::parse(&header)?;
        let data = option_data(header, wire)?;
        let (reply, next) = handshake.answer(header.option, &data)?;
        wire.write(&reply)?;
        match next {
            Next::Option => {}
            Next::Transmission => return Ok(Some(handshake.agreed)),
            Next::End => return Ok(None),
        }
    }
    Err(SessionError::TooManyOptions)
}

fn option_data<I: Read, O: Write>(
    header: OptionHeader,
    wire: &mut Wire<I, O>,
) -> Result<Vec<u8>, SessionError> {
    if header.length > MAX_OPTION_BYTES {
        return Err(SessionError::OptionLength { length: header.length });
    }
    wire.bytes(header.length)
}

/// What comes after an option.
enum Next {
    Option,
    Transmission,
    End,
}

struct Handshake<'a, R> {
    export: &'a Export<R>,
    client: ClientFlags,
    agreed: Agreed,
}

impl<R: ReadAt> Handshake<'_, R> {
    /// The bytes to reply with, and what comes after them.
    fn answer(&mut self, option: u32, data: &[u8]) -> Result<(Vec<u8>, Next), SessionError> {
        let reply = |kind| protocol::option_reply(option, kind, &[]);
        Ok(match option {
            OPT_EXPORT_NAME => (self.export_name(data)?, Next::Transmission),
            OPT_ABORT => (reply(REP_ACK), Next::End),
            OPT_INFO | OPT_GO => match self.information(option, data) {
                Ok(replies) if option == OPT_GO => (replies, Next::Transmission),
                Ok(replies) => (replies, Next::Option),
                Err(refusal) => (reply(refusal), Next::Option),
            },
            OPT_LIST | OPT_STRUCTURED_REPLY | OPT_STARTTLS if !data.is_empty() => {
                (reply(REP_ERR_INVALID), Next::Option)
            }
            OPT_LIST => (self.list(), Next::Option),
            OPT_STRUCTURED_REPLY => {
                self.agreed.structured = true;
                (reply(REP_ACK), Next::Option)
            }
            OPT_STARTTLS => (reply(REP_ERR_POLICY), Next::Option),
            OPT_LIST_META_CONTEXT | OPT_SET_META_CONTEXT => {
                let replies = self.contexts(option, data);
                (replies.unwrap_or_else(&reply), Next::Option)
            }
            _ => (reply(REP_ERR_UNSUP), Next::Option),
        })
    }

    fn flags(&self) -> u16 {
        self.export.transmission_flags(self.agreed.structured)
    }

    fn export_name(&self, name: &[u8]) -> Result<Vec<u8>, SessionError> {
        if !self.export.is_called(name) {
            return Err(SessionError::UnknownExport);
        }
        Ok(protocol::export_reply(self.export.size, self.flags(), self.client))
    }

    fn list(&self) -> Vec<u8> {
        let entry = protocol::list_entry(&self.export.name, &self.export.description);
        let mut replies = protocol::option_reply(OPT_LIST, REP_SERVER, &entry);
        replies.extend(protocol::option_reply(OPT_LIST, REP_ACK, &[]));
        replies
    }

    /// The context that there is, if it is asked for, and selected if that is asked for; or the
    /// refusal. What was selected before is not any more.
    fn contexts(&mut self, option: u32, data: &[u8]) -> Result<Vec<u8>, u32> {
        let select = option == OPT_SET_META_CONTEXT;
        if select {
            self.agreed.allocation = false;
        }
        let request = ContextRequest::parse(data).filter(|_| self.agreed.structured);
        let request = request.ok_or(REP_ERR_INVALID)?;
        if !self.export.is_called(request.name) {
            return Err(REP_ERR_UNKNOWN);
        }
        // To list, a namespace stands for all in it, and no query for everything.
        let all =
            !select && (request.queries.is_empty() || request.queries.contains(&&b"base:"[..]));
        let mut replies = Vec::new();
        if all || request.queries.contains(&ALLOCATION.as_bytes()) {
            self.agreed.allocation |= select;
            let context = protocol::context(select);
            replies.extend(protocol::option_reply(option, REP_META_CONTEXT, &context));
        }
        replies.extend(protocol::option_reply(option, REP_ACK, &[]));
        Ok(replies)
    }

    /// Everything that is asked for, once; or the refusal.
    fn information(&self, option: u32, data: &[u8]) -> Result<Vec<u8>, u32> {
        let request = InfoRequest::parse(data).ok_or(REP_ERR_INVALID)?;
        let Export { size, name, description, .. } = self.export;
        if !self.export.is_called(request.name) {
            return Err(REP_ERR_UNKNOWN);
        }
        let mut replies = Vec::new();
        let mut add = |data: &[u8]| replies.extend(protocol::option_reply(option, REP_INFO, data));
        add(&protocol::info_export(*size, self.flags()));
        for (kind, text) in [(protocol::INFO_NAME, name), (protocol::INFO_DESCRIPTION, description)]
        {
            if request.asks_for(kind) {
                add(&protocol::info_text(kind, text));
            }
        }
        if request.asks_for(protocol::INFO_BLOCK_SIZE) {
            add(&self.export.block_sizes());
        }
        replies.extend(protocol::option_reply(option, REP_ACK, &[]));
        Ok(replies)
    }
}
