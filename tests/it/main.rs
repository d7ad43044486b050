mod fit_reference;

fn main() {}
