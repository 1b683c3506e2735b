"""Tests of the CRM sources against servers that speak the CRMs' APIs."""
