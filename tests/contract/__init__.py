"""What services tell each other, held to contracts/."""
