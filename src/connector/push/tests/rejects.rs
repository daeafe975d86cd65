//! Where rejects go.

use super::*;

#[tokio::test]
async fn rejects_that_nobody_mended_yet_are_never_written_over() {
    let world = World::new(calm());
    let order = world.order(&file(300));
    let rejects = order.rejects.clone().unwrap();
    world.push(&order).await.unwrap();
    let first = fs::read_to_string(&rejects).unwrap();
    assert!(first.lines().count() > 1);
    // Another push that names the same file sets what stands in it aside.
    let report = world.push(&order).await.unwrap();
    let aside = report.rejects_set_aside.unwrap();
    assert_eq!(
        (aside.clone(), fs::read_to_string(aside).unwrap()),
        (world.path("rejects.1.csv"), first)
    );

    // The pushed file is none to write rejects into, and stays as it is.
    let own = PushOrder { rejects: Some(order.file.clone()), ..order.clone() };
    let error = world.push(&own).await.unwrap_err();
    assert!(matches!(error, PushError::File { source: FilesError::OwnRejects, .. }), "{error}");
    assert_eq!(fs::read_to_string(&order.file).unwrap(), file(300));
}

#[tokio::test]
async fn a_push_goes_on_with_its_own_rejects_or_not_at_all() {
    let world = World::new(Manner { cut_at: Some(6), ..calm() });
    let mut order = world.order(&file(800));
    world.push(&order).await.unwrap_err();
    world.behave(calm());
    order.resume = true;
    let rejects = order.rejects.clone().unwrap();
    let whole = fs::read(&rejects).unwrap();
    let refused = |error| matches!(error, PushError::Journal(JournalError::OtherRejects));
    for other in [None, Some(world.path("others.csv"))] {
        let other = PushOrder { rejects: other, ..order.clone() };
        assert!(refused(world.push(&other).await.unwrap_err()));
    }
    // Shorter than it was when the last batch was acknowledged.
    fs::write(&rejects, &whole[..whole.len() / 2]).unwrap();
    assert!(refused(world.push(&order).await.unwrap_err()));
    // Whole again, and under another name.
    fs::write(&rejects, &whole).unwrap();
    let link = world.path("link.csv");
    std::os::unix::fs::symlink(&rejects, &link).unwrap();
    let report = world.push(&PushOrder { rejects: Some(link), ..order }).await.unwrap();
    assert_eq!((report.rows, report.rejects_set_aside), (800, None));
    let rows = fs::read_to_string(&rejects).unwrap().lines().count() as u64;
    assert_eq!(rows, report.rejected + 1);
}
