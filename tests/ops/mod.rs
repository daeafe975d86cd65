//! What those who run the gateway rely on: how it starts, what it tells them, how it changes its
//! files and how it stops.

mod drain;
mod dumps;
mod errors;
mod first;
mod metrics;
mod rotation;
mod traces;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

/// A GET over plain HTTP: the status, and the body.
pub(crate) async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: ops\r\nConnection: close\r\n\r\n");
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    let answer = answer.await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = match head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        true => panic!("a chunked answer"),
        false => body.to_owned(),
    };
    (status, body)
}
