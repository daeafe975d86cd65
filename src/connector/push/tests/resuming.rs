//! Pushes that broke, and what goes on behind what was acknowledged.

use super::*;

#[tokio::test]
async fn a_push_broken_anywhere_goes_on_and_stores_nothing_twice() {
    let rows = 1_050;
    let whole = World::new(calm());
    let order = whole.order(&file(rows));
    let unbroken = whole.push(&order).await.unwrap();
    let expected_rejects = fs::read_to_string(order.rejects.as_ref().unwrap()).unwrap();

    for cut_at in 1..=11 {
        let world = World::new(Manner { cut_at: Some(cut_at), ..calm() });
        let mut order = world.order(&file(rows));
        let error = world.push(&order).await.unwrap_err();
        let PushError::Broken { rows: acknowledged, .. } = error else { panic!("{error}") };
        assert!(error.to_string().contains("--resume"));
        assert!(order.receipts.as_ref().is_some_and(|path| !path.exists()));
        let first_time = world.books().received.len();
        let safe: BTreeSet<String> = world.books().acknowledged.iter().cloned().collect();

        order.resume = true;
        let report = world.push(&order).await.unwrap();
        let books = world.books();
        // Nothing that the partner saw acknowledged is sent again, nothing else is missed.
        let again = &books.received[first_time];
        assert!(*again >= format!("r{acknowledged:06}"), "{cut_at}: {again}");
        assert!(acknowledged <= safe.len() as u64 + 20, "{cut_at}");
        assert_eq!(books.stored.len() as u64, unbroken.well_formed, "{cut_at}");
        assert_eq!((report.rows, report.well_formed), (unbroken.rows, unbroken.well_formed));
        assert_eq!((report.rejected, &report.reasons), (unbroken.rejected, &unbroken.reasons));
        // Stored before the break and not acknowledged: recognised, at least the last batch.
        assert!(report.sent_before > 0, "{cut_at}");
        let sent_twice = books.received.len() as u64
            - unbroken.well_formed
            - (unbroken.rejected - unbroken.rejected_here);
        assert!(report.sent_before <= sent_twice, "{cut_at}");
        assert_eq!(report.sessions.len(), 2);
        let rejects = fs::read_to_string(order.rejects.as_ref().unwrap()).unwrap();
        assert_eq!(rejects, expected_rejects, "{cut_at}");
    }
}

#[tokio::test]
async fn a_stream_that_just_ends_counts_as_broken() {
    let world = World::new(Manner { end_at: Some(3), ..calm() });
    let mut order = world.order(&file(500));
    let error = world.push(&order).await.unwrap_err();
    assert!(matches!(error, PushError::Broken { status: None, .. }), "{error}");
    order.resume = true;
    assert_eq!(world.push(&order).await.unwrap().rows, 500);
}

#[tokio::test]
async fn resuming_refuses_a_changed_file_and_another_push() {
    let world = World::new(Manner { cut_at: Some(4), ..calm() });
    let mut order = world.order(&file(800));
    world.push(&order).await.unwrap_err();
    order.resume = true;

    let other = PushOrder { protocol: "isp-other".parse().unwrap(), ..order.clone() };
    let error = world.push(&other).await.unwrap_err();
    assert!(matches!(error, PushError::Journal(JournalError::OtherPush)), "{error}");

    let changed = world.order(&file(801));
    let error = world.push(&PushOrder { resume: true, ..changed }).await.unwrap_err();
    assert!(matches!(error, PushError::Journal(JournalError::FileChanged)), "{error}");

    // Without --resume the file is pushed as a whole; what was sent is recognised.
    let report = world.push(&PushOrder { resume: false, ..world.order(&file(801)) }).await.unwrap();
    assert!(report.sent_before >= 300 && report.sessions.len() == 1);
    // The receipts of the push that broke are not lost.
    let aside = fs::read_to_string(report.set_aside.unwrap()).unwrap();
    assert!(aside.lines().count() > 3 && aside.contains("leaf_hash"));
    let again = world.push(&world.order(&file(801))).await.unwrap();
    assert_eq!(again.set_aside, None);
}

#[tokio::test]
async fn a_journal_cut_at_any_byte_still_resumes() {
    let world = World::new(Manner { cut_at: Some(6), ..calm() });
    let mut order = world.order(&file(800));
    world.push(&order).await.unwrap_err();
    order.resume = true;
    let journal = journal_path(&order.file);
    let whole = fs::read(&journal).unwrap();
    let rejects = fs::read(order.rejects.as_ref().unwrap()).unwrap();
    assert!(!String::from_utf8_lossy(&whole).contains("999000"), "no values in the journal");
    world.behave(calm());
    let mut finished = BTreeSet::new();
    for cut in (0..=whole.len()).step_by(whole.len() / 23) {
        fs::write(&journal, &whole[..cut]).unwrap();
        fs::write(order.rejects.as_ref().unwrap(), &rejects).unwrap();
        let report = world.push(&order).await.unwrap();
        assert_eq!(report.rows, 800, "cut at {cut}");
        finished.insert(fs::read(order.rejects.as_ref().unwrap()).unwrap());
    }
    assert_eq!(finished.len(), 1, "the rejects are the same wherever it was cut");

    let mut damaged = whole;
    let middle = damaged.iter().position(|b| *b == b'\n').unwrap() + 1;
    damaged[middle] = b'#';
    fs::write(&journal, &damaged).unwrap();
    let error = world.push(&order).await.unwrap_err();
    assert!(matches!(error, PushError::Journal(JournalError::Damaged { line: 2, .. })), "{error}");
}
