"""What the project is made of besides its own code: pinned packages with their hashes, and known weaknesses of them."""
