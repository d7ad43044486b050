mod fit_reference;
