//! What an opt-out is: identifier, right, choice, link, policy, business calendar
