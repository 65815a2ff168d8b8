//! A few visitors one after the other; `make soak` is the long one.

use wick_tests::soak::{Plan, Soak};

#[tokio::test]
async fn one_visitor_after_the_other_is_served_and_forgotten() {
    let plan = Plan {
        sessions: 12,
        loses_worker: |number| number == 4,
        loses_page: |number| number == 8,
    };
    let soak = Soak::open("kiosk-soak", plan).await;
    soak.run(plan.sessions, |_, _| {}).await;
    let served = soak.end().await;
    assert!(served.lost <= 1, "{served:?}");
}
