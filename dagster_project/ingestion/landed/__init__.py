"""Tables that Fivetran, Airbyte or dlt have landed."""
