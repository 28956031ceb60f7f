//! What Windows logs of sessions, as far as it matters and as far as it does not.

use pipewarden_tools::winlogbeat::Shape;
use serde_json::Value;
use testkit::winlogbeat;

/// Session evidence that matters, in every shape.
pub(super) fn session_evidence() -> impl Iterator<Item = Value> {
    let by_atlas = |event| (event, "atlas.aperture.local");
    let outbound =
        winlogbeat::connection_permitted(0, "atlas.aperture.local", "%%14593", "10.1.0.50", 50_412);
    let watched = winlogbeat::logon(0, winlogbeat::CLIENT, 49_839).set("TargetUserName", "SVC-Push");
    let events = [
        by_atlas(winlogbeat::logon(0, winlogbeat::CLIENT, 49_839)),
        by_atlas(winlogbeat::share_session(0, winlogbeat::CLIENT, 49_839)),
        by_atlas(winlogbeat::connection_permitted(
            0,
            "atlas.aperture.local",
            "%%14592",
            winlogbeat::CLIENT,
            49_839,
        )),
        // A watched port, on which a host may connect back; and a watched account, on a host whose logons are not read.
        by_atlas(
            outbound
                .set("DestAddress", winlogbeat::CLIENT)
                .set("DestPort", "80"),
        ),
        (watched, "dc1.aperture.local"),
    ];
    let shapes = Shape::ALL.iter();
    shapes.flat_map(move |shape| {
        events.each_ref().map(|(event, computer)| {
            let document = shape.document(event).to_string();
            let document = document.replace("atlas.aperture.local", computer);
            serde_json::from_str(&document).unwrap()
        })
    })
}

/// Its like that does not matter, in one shape.
pub(super) fn other_session_evidence() -> [Value; 4] {
    let by_dc = |event| {
        let mut document = Shape::Winlogbeat8.document(&event);
        document["winlog"]["computer_name"] = "dc1.aperture.local".into();
        document
    };
    let permitted = winlogbeat::connection_permitted(0, "atlas", "%%14592", winlogbeat::CLIENT, 49_839);
    [
        by_dc(winlogbeat::logon(0, winlogbeat::CLIENT, 49_839)),
        by_dc(winlogbeat::share_session(0, winlogbeat::CLIENT, 49_839)),
        Shape::Winlogbeat8.document(&winlogbeat::logon(0, winlogbeat::CLIENT, 1).set("LogonType", "5")),
        Shape::Winlogbeat8.document(&permitted.set("DestPort", "443")),
    ]
}
