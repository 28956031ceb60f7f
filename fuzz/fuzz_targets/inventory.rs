//! Any text as an inventory: refused or read, never a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pipewarden_core::inventory::Inventory;

fuzz_target!(|text: &str| {
    if let Ok(inventory) = Inventory::parse(text, "fuzz") {
        for asset in inventory.assets() {
            assert_eq!(inventory.asset(&asset.id), Some(asset));
            assert_eq!(inventory.by_full_name(asset.id.as_str()), Some(asset));
            for &address in &asset.addresses {
                assert_eq!(inventory.by_address(address), Some(asset));
            }
        }
    }
});
