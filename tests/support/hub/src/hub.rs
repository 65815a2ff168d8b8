//! The handle that tests hold.

use crate::content::Content;
use crate::door::{Door, Lines, Wire};
use crate::fault::Fault;
use crate::log::{Host, Seen, locked};
use crate::repo::{Repo, Stored, StoredFile};
use crate::server::{Site, router};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A hub that listens on loopback until it is dropped. Its requests are answered in the runtime that started it.
#[derive(Debug)]
pub struct FakeHub {
    site: Arc<Site>,
    ports: [u16; 2],
    lines: Lines,
    doors: Vec<JoinHandle<()>>,
}

impl FakeHub {
    /// At two free ports.
    ///
    /// # Panics
    /// When nothing can be listened to.
    pub async fn start() -> Self {
        let started = Self::start_at(0, 0).await;
        started.expect("loopback has free ports")
    }

    /// At these ports, 0 being any free one.
    ///
    /// # Errors
    /// When a port is taken.
    pub async fn start_at(hub_port: u16, cdn_port: u16) -> io::Result<Self> {
        let listeners = [bind(hub_port).await?, bind(cdn_port).await?];
        let mut ports = [0; 2];
        for (port, listener) in ports.iter_mut().zip(&listeners) {
            *port = listener.local_addr()?.port();
        }
        let mut hub = Self {
            site: Arc::new(Site::new(ports)),
            ports,
            lines: Lines::default(),
            doors: Vec::new(),
        };
        hub.open(listeners);
        Ok(hub)
    }

    /// For `HF_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        self.site.hub_url.clone()
    }

    /// Where large files come from.
    pub fn cdn(&self) -> String {
        self.site.cdn_url.clone()
    }

    /// A repository without commits; in place of one that has its name.
    pub fn add_repo(&self, repo: Repo) {
        let id = repo.id.clone();
        locked(&self.site.repos).insert(id, Stored::new(repo));
    }

    /// Removes a repository.
    pub fn remove_repo(&self, id: &str) {
        locked(&self.site.repos).remove(id);
    }

    /// A new commit, of these files alone, moves the branch; returns its name. Earlier ones can still be had. A repository
    /// that is not there yet comes to be. Hashes every content once, here and now.
    ///
    /// # Panics
    /// When a file of the disk can't be read.
    pub fn commit(&self, repo: &str, branch: &str, files: &[(&str, Content)]) -> String {
        let store = |(path, content): &(&str, Content)| {
            let file = StoredFile::new(path, content);
            let file = file.expect("the file of a content can be read");
            ((*path).to_owned(), Arc::new(file))
        };
        let files: BTreeMap<_, _> = files.iter().map(store).collect();
        let mut repos = locked(&self.site.repos);
        let stored = repos.entry(repo.to_owned());
        let stored = stored.or_insert_with(|| Stored::new(Repo::new(repo)));
        stored.commit(branch, files)
    }

    /// The name of a file's blob in the cache: SHA-256 of one in LFS, git's SHA-1 of a small one; `None` if there is none.
    pub fn hash(&self, repo: &str, revision: &str, path: &str) -> Option<String> {
        let repos = locked(&self.site.repos);
        let snapshot = repos.get(repo)?.snapshot(revision)?;
        Some(snapshot.files.get(path)?.etag().to_owned())
    }

    /// This access token is a valid one.
    pub fn accept_token(&self, token: &str) {
        self.site.access.accept(token);
    }

    /// Who has this valid token accepted the licence, or was let in to what is private.
    pub fn let_in(&self, token: &str, repo: &str) {
        self.site.access.let_in(token, repo);
    }

    /// Whoever was let in with this token, or accepted the licence, is out again.
    pub fn shut_out(&self, token: &str, repo: &str) {
        self.site.access.shut_out(token, repo);
    }

    /// Something to go wrong.
    pub fn fault(&self, fault: Fault) {
        self.site.faults.order(fault);
    }

    /// Nothing goes wrong any more; what stalls goes on.
    pub fn behave(&self) {
        self.site.faults.clear();
        self.release();
    }

    /// How many ordered faults have not happened yet, those for always aside.
    pub fn faults_left(&self) -> usize {
        self.site.faults.left()
    }

    /// What stalls now goes on.
    pub fn release(&self) {
        self.site.stalls.send_modify(|count| *count += 1);
    }

    /// All links to the CDN until now have expired.
    pub fn expire_links(&self) {
        self.site.links.expire();
    }

    /// Every request since the start or [`Self::forget`], in the order of arrival.
    pub fn requests(&self) -> Vec<Seen> {
        self.site.log.all()
    }

    /// Empties the log.
    pub fn forget(&self) {
        self.site.log.clear();
    }

    /// The first request that is as wanted, as soon as there is one; it is looked at with every piece of a body.
    pub async fn seen(&self, wanted: impl Fn(&Seen) -> bool) -> Seen {
        self.site.log.wait(wanted).await
    }

    /// Ends all connections and refuses new ones.
    pub async fn go_offline(&mut self) {
        for door in self.doors.drain(..) {
            door.abort();
            // Its listener is closed once it has ended, which an abort makes it do.
            let _ = door.await;
        }
        self.lines.tear();
    }

    /// Listens again, at the same ports.
    ///
    /// # Panics
    /// When another program took a port meanwhile.
    pub async fn go_online(&mut self) {
        if self.doors.is_empty() {
            let [hub, cdn] = self.ports;
            let listeners = [bind(hub).await, bind(cdn).await];
            self.open(listeners.map(|listener| listener.expect("the port is free again")));
        }
    }

    fn open(&mut self, listeners: [TcpListener; 2]) {
        let hosts = [Host::Hub, Host::Cdn];
        for (listener, host) in listeners.into_iter().zip(hosts) {
            let lines = self.lines.clone();
            let door = Door { listener, lines };
            let app = router(host, Arc::clone(&self.site));
            let app = app.into_make_service_with_connect_info::<Wire>();
            self.doors.push(tokio::spawn(async move {
                // It never ends by itself.
                let _ = axum::serve(door, app).await;
            }));
        }
    }
}

impl Drop for FakeHub {
    fn drop(&mut self) {
        self.doors.iter().for_each(JoinHandle::abort);
        self.lines.tear();
    }
}

async fn bind(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await
}
