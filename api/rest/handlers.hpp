#pragma once

#include "api/rest/context.hpp"
#include "api/task.hpp"

namespace millrace::api::rest {

// One per route; which is which stands in routes.cpp.

Task<HttpResponse> get_healthz(RestContext& context, RestRequest request);
Task<HttpResponse> get_readyz(RestContext& context, RestRequest request);
Task<HttpResponse> get_metrics(RestContext& context, RestRequest request);
Task<HttpResponse> get_openapi(RestContext& context, RestRequest request);
Task<HttpResponse> get_asyncapi(RestContext& context, RestRequest request);
Task<HttpResponse> get_llms_text(RestContext& context, RestRequest request);
Task<HttpResponse> get_networks(RestContext& context, RestRequest request);

Task<HttpResponse> post_challenge(RestContext& context, RestRequest request);
Task<HttpResponse> post_login(RestContext& context, RestRequest request);

Task<HttpResponse> get_channels(RestContext& context, RestRequest request);
Task<HttpResponse> get_channel(RestContext& context, RestRequest request);
Task<HttpResponse> get_payments(RestContext& context, RestRequest request);

Task<HttpResponse> post_claim(RestContext& context, RestRequest request);
Task<HttpResponse> get_claims(RestContext& context, RestRequest request);
Task<HttpResponse> get_claim(RestContext& context, RestRequest request);
Task<HttpResponse> post_claim_retry(RestContext& context, RestRequest request);
Task<HttpResponse> get_quarantine(RestContext& context, RestRequest request);
Task<HttpResponse> post_quarantine_retry(RestContext& context, RestRequest request);

Task<HttpResponse> get_accounts(RestContext& context, RestRequest request);
Task<HttpResponse> get_account(RestContext& context, RestRequest request);
Task<HttpResponse> get_statement(RestContext& context, RestRequest request);
Task<HttpResponse> get_entries(RestContext& context, RestRequest request);
Task<HttpResponse> get_entry(RestContext& context, RestRequest request);
Task<HttpResponse> get_trial_balance(RestContext& context, RestRequest request);
Task<HttpResponse> get_reconciliation(RestContext& context, RestRequest request);

Task<HttpResponse> get_export(RestContext& context, RestRequest request);
Task<HttpResponse> get_log_key(RestContext& context, RestRequest request);
Task<HttpResponse> get_checkpoint(RestContext& context, RestRequest request);
Task<HttpResponse> get_inclusion_proof(RestContext& context, RestRequest request);
Task<HttpResponse> get_consistency_proof(RestContext& context, RestRequest request);
Task<HttpResponse> get_tile(RestContext& context, RestRequest request);
Task<HttpResponse> get_entry_bundle(RestContext& context, RestRequest request);
Task<HttpResponse> get_payment_proof(RestContext& context, RestRequest request);

Task<HttpResponse> get_supported(RestContext& context, RestRequest request);
Task<HttpResponse> post_verify(RestContext& context, RestRequest request);
Task<HttpResponse> post_settle(RestContext& context, RestRequest request);

}  // namespace millrace::api::rest
