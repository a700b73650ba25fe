"""The admission protocol: AdmissionReview in, AdmissionReview out, within a deadline."""
