// Lets the test support library exist while tests/cpp/support/ has no source of its own.
