using System.Globalization;
using System.Text;
using ChannelSdk.Metadata.Layouts;
using Microsoft.AspNetCore.Http;

namespace ChannelSdk.Metadata.Http;

/// <summary>The token path of IMDSv2 (AWS user guide, "Use IMDSv2"), which is there whether or not tokens are required.</summary>
internal static class TokenAnswers
{
    public const string TokenHeader = "X-aws-ec2-metadata-token";
    private const string LifetimeHeader = "X-aws-ec2-metadata-token-ttl-seconds";
    private const string ForwardedForHeader = "X-Forwarded-For";
    private const string ForwardedHeader = "Forwarded";

    /// <param name="exchange">The request.</param>
    /// <param name="isLatest">False for the path below a dated version, where EC2 gives no tokens.</param>
    /// <param name="hops">How many hops the answer may make.</param>
    public static Task Answer(Exchange exchange, bool isLatest, int hops)
    {
        var headers = exchange.Request.Headers;
        if (!isLatest)
        {
            return exchange.AnswerAsync(StatusCodes.Status403Forbidden);
        }

        if (exchange.Request.Method != HttpMethods.Put)
        {
            return exchange.NotAllowedAsync("PUT");
        }

        // Somebody asks for another: a proxy in the guest must not hand out what is the guest's own.
        if (IsForwarded(exchange))
        {
            return exchange.AnswerAsync(StatusCodes.Status403Forbidden);
        }

        if (!int.TryParse(headers[LifetimeHeader], NumberStyles.None, CultureInfo.InvariantCulture, out var lifetime)
            || lifetime is < 1 or > SessionTokens.MaxLifetimeSeconds)
        {
            return exchange.AnswerAsync(StatusCodes.Status400BadRequest);
        }

        exchange.Connection.SetHops(hops);
        exchange.Response.Headers[LifetimeHeader] = lifetime.ToString(CultureInfo.InvariantCulture);
        return exchange.AnswerAsync(Encoding.ASCII.GetBytes(exchange.Instance.Tokens.Issue(lifetime)), Resource.Text);
    }

    /// <summary>Whether a proxy says that it asks for another (RFC 7239, and what was there before it).</summary>
    public static bool IsForwarded(Exchange exchange) =>
        exchange.Request.Headers.ContainsKey(ForwardedForHeader) || exchange.Request.Headers.ContainsKey(ForwardedHeader);

    /// <summary>Whether the request has a valid token; null: its token is not valid.</summary>
    public static bool? HasToken(Exchange exchange)
    {
        var values = exchange.Request.Headers[TokenHeader];
        if (values.Count == 0)
        {
            exchange.Instance.Count.WithoutToken();
            return false;
        }

        if (values.Count == 1 && exchange.Instance.Tokens.IsValid(values[0]!))
        {
            return true;
        }

        exchange.Instance.Count.BadToken();
        return null;
    }
}
