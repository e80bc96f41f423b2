//! A request's body, within its limits.

use std::fmt;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};
use hyper::{Request, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::Context;
use super::reply::Refusal;

/// Bytes of one permit.
pub const UNIT: usize = 1 << 10;

/// A body; its share of the memory for bodies is free when it is dropped.
pub struct Upload {
    bytes: Vec<u8>,
    _share: OwnedSemaphorePermit,
}

impl Upload {
    /// The body. Private otherwise, so that who takes the bytes along takes the
    /// share along: a closure captures single fields.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads the body of `request`. One that declares more than is taken is refused
/// before a byte of it is read.
pub async fn read<B>(context: &Context, request: Request<B>) -> Result<Upload, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: fmt::Display,
{
    let limit = context.limits.upload_bytes;
    let declared = request.body().size_hint().exact();
    let most = match declared {
        Some(length) => usize::try_from(length).ok().filter(|length| *length <= limit),
        None => Some(limit),
    };
    let most = most.ok_or_else(|| too_large(limit))?;
    let share = u32::try_from(most.div_ceil(UNIT)).map_err(|_| too_large(limit))?;
    let share =
        timeout(context.limits.body_time, context.uploads.clone().acquire_many_owned(share));
    let Ok(Ok(share)) = share.await else {
        let message = "Too many pictures are being sent at once. Try again in a moment.";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message));
    };
    let bytes = timeout(context.limits.body_time, collect(request.into_body(), limit));
    let Ok(bytes) = bytes.await else {
        let message = "The picture did not arrive in time. Send it again.";
        return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, message));
    };
    Ok(Upload { bytes: bytes?, _share: share })
}

async fn collect<B>(mut body: B, limit: usize) -> Result<Vec<u8>, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: fmt::Display,
{
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let message = format!("The request's body cannot be read: {error}.");
            Refusal::new(StatusCode::BAD_REQUEST, message)
        })?;
        // Trailers say nothing here.
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > limit - bytes.len() {
            return Err(too_large(limit));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn too_large(limit: usize) -> Refusal {
    let message = format!(
        "This file is too large: a picture may have {} MiB. Scale it down first.",
        limit >> 20
    );
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
}
