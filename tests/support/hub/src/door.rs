//! Listening, and connections that can be torn away and know when what they were given has left.

use crate::log::locked;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A connection by another handle, by which it can be ended from anywhere.
type Socket = std::net::TcpStream;

/// All connections there are. Clones are the same ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<Weak<Socket>>>>);

impl Lines {
    fn add(&self, socket: &Arc<Socket>) {
        let mut lines = locked(&self.0);
        lines.retain(|line| line.strong_count() > 0);
        lines.push(Arc::downgrade(socket));
    }

    /// Ends them all, now.
    pub(crate) fn tear(&self) {
        locked(&self.0).drain(..).for_each(|line| tear(&line));
    }
}

fn tear(line: &Weak<Socket>) {
    if let Some(socket) = line.upgrade() {
        // One that has ended already can't be ended.
        let _ = socket.shutdown(Shutdown::Both);
    }
}

/// A listener that knows its connections.
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    pub(crate) lines: Lines,
}

impl Listener for Door {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        loop {
            let accepted = self.listener.accept().await;
            let line = accepted.and_then(|(stream, address)| Ok((Line::new(stream)?, address)));
            match line {
                Ok((line, address)) => {
                    self.lines.add(&line.socket);
                    return (line, address);
                }
                // Out of descriptors, or the client is gone already: the next one may fare better.
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection.
pub(crate) struct Line {
    stream: TcpStream,
    socket: Arc<Socket>,
    flushes: watch::Sender<u64>,
}

impl Line {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let stream = stream.into_std()?;
        let socket = Arc::new(stream.try_clone()?);
        Ok(Self {
            stream: TcpStream::from_std(stream)?,
            socket,
            flushes: watch::Sender::new(0),
        })
    }

    fn stream(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(&mut self.stream)
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream().poll_read(context, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Called only after all that was to be written was taken by the stream.
        self.flushes.send_modify(|count| *count += 1);
        self.stream().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(context)
    }
}

/// What an answer knows of its connection.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    flushes: watch::Receiver<u64>,
    socket: Weak<Socket>,
}

impl Wire {
    /// Until all that was given to the connection has left for the client.
    pub(crate) async fn flushed(&self) {
        let mut flushes = self.flushes.clone();
        flushes.mark_unchanged();
        // An error is a connection that is gone, with all that it had.
        let _ = flushes.changed().await;
    }

    /// Ends the connection: nothing more is read or written.
    pub(crate) fn tear(&self) {
        tear(&self.socket);
    }
}

impl Connected<IncomingStream<'_, Door>> for Wire {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        let line = stream.io();
        Self {
            flushes: line.flushes.subscribe(),
            socket: Arc::downgrade(&line.socket),
        }
    }
}
