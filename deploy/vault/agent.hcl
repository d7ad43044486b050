# Vault Agent beside speedfit, outside Kubernetes: it renders each secret into a file of its own and
# renews it; speedfit reads the files at the beginning of each run.
#   vault agent -config=deploy/vault/agent.hcl

vault {
  address = "https://vault.example.internal:8200"
}

auto_auth {
  method "approle" {
    config = {
      role_id_file_path   = "/etc/vault/role_id"
      secret_id_file_path = "/etc/vault/secret_id"
    }
  }
}

# The user of the container may read them, nobody else.
template {
  contents    = "{{ with secret \"secret/data/speedfit\" }}{{ .Data.data.source_password }}{{ end }}"
  destination = "/run/speedfit-secrets/source_password"
  user        = "65532"
  perms       = "0400"
}

# A login that the vault makes and takes back.
template {
  contents    = "{{ with secret \"database/creds/speedfit-writer\" }}{{ .Data.password }}{{ end }}"
  destination = "/run/speedfit-secrets/store_password"
  user        = "65532"
  perms       = "0400"
}
