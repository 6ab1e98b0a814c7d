using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Channels.Links;

/// <summary>
/// Ends links where no channel can tell what a transport throws at that. It stays here: the link is given up in any case.
/// </summary>
internal static class LinkDisposal
{
    /// <summary>Ends a link at once. A receive that is under way fails.</summary>
    public static void Abort(ITransportLink? link)
    {
        try
        {
            link?.Abort();
        }
        catch (Exception)
        {
            // The summary says why.
        }
    }

    /// <summary>Ends a link from which nothing is received, and gives back what it holds.</summary>
    public static async Task DiscardAsync(ITransportLink link)
    {
        Abort(link);
        try
        {
            await link.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The summary says why.
        }
    }
}
