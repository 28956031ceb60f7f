//! What is reported of the input from time to time: how old it is, what it looks like, what in it could not be read.

use pipewarden_engine::Router;

use crate::observer::WorkerFact;

/// Reports what has been noted since the last time; `written` is the time that a message read since then bears.
pub(super) fn report(router: &mut Router, written: Option<i64>, report: &dyn Fn(WorkerFact<'_>)) {
    for (field, times) in router.take_odd_fields() {
        report(WorkerFact::OddFields { field, times });
    }
    if let Some(written) = written {
        report(WorkerFact::InputRead { written });
    }
    for (shape, messages) in router.take_shapes() {
        report(WorkerFact::InputShape { shape, messages });
    }
    if let Some(unknown) = router.take_unknown_input() {
        report(WorkerFact::UnknownInput(&unknown));
    }
}
