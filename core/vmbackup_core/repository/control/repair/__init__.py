"""What is done about damage: logged, healed, waited for no longer, or rebuilt from data."""
