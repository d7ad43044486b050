//! Locks of scopes.

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::Fixture;

pub(super) async fn one_holder_at_a_time(f: &Fixture) {
    let scope = f.scope("København / 'x'");
    let held = f.store.try_lock(&scope).await.unwrap().unwrap();
    assert!(f.store.try_lock(&scope).await.unwrap().is_none());
    assert!(f.other.try_lock(&scope).await.unwrap().is_none());
    held.release().await.unwrap();
    let held = f.other.try_lock(&scope).await.unwrap().unwrap();
    assert!(f.store.try_lock(&scope).await.unwrap().is_none());
    held.release().await.unwrap();
}

pub(super) async fn scopes_are_locked_apart(f: &Fixture) {
    let mut held = Vec::new();
    for scope in ["a", "A", "a/b", "a_b", ""] {
        let lock = f.store.try_lock(&f.scope(scope)).await.unwrap();
        assert!(lock.is_some(), "{scope}");
        held.push(lock);
    }
}

pub(super) async fn a_dropped_lock_is_free(f: &Fixture) {
    let scope = f.scope("a");
    drop(f.store.try_lock(&scope).await.unwrap().unwrap());
    assert!(f.other.try_lock(&scope).await.unwrap().is_some());
}

pub(super) async fn whether_a_lock_is_held_is_seen_without_taking_it(f: &Fixture) {
    let scope = f.scope("asked / 'x'");
    for store in [&f.store, &f.other] {
        assert!(!store.is_locked(&scope).await.unwrap());
    }
    let held = f.store.try_lock(&scope).await.unwrap().unwrap();
    for store in [&f.store, &f.other] {
        assert!(store.is_locked(&scope).await.unwrap());
        assert!(!store.is_locked(&f.scope("another")).await.unwrap());
    }
    held.release().await.unwrap();
    assert!(!f.other.is_locked(&scope).await.unwrap());
    // Whoever asks is in nobody's way.
    for _ in 0..20 {
        let (asked, taken) = tokio::join!(f.store.is_locked(&scope), f.other.try_lock(&scope));
        asked.unwrap();
        taken.unwrap().unwrap().release().await.unwrap();
    }
}

pub(super) async fn a_held_lock_is_not_lost(f: &Fixture) {
    let held = f.store.try_lock(&f.scope("a")).await.unwrap().unwrap();
    let mut lost = pin!(held.lost());
    let seen = lost.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(seen, Poll::Pending));
}
