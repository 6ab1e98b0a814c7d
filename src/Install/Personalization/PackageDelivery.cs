using ChannelSdk.Channels;
using ChannelSdk.Host.Connection;
using ChannelSdk.Install.Addresses;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;
using Google.Protobuf;

namespace ChannelSdk.Install.Personalization;

/// <summary>A personalization package on its way from its URL into the appliance; it is neither stored nor unpacked here.</summary>
internal static class PackageDelivery
{
    private const int PieceBytes = 64 << 10;

    /// <summary>Sends it; returns what the appliance has laid over the installed system.</summary>
    /// <exception cref="ChannelException">It cannot be fetched, was cut in the middle, or the appliance refuses it.</exception>
    public static async Task<OverlayReply> SendAsync(Channel channel, string operation, PackageUrl url, PackageCredentials? credentials, ServerAddresses addresses, CancellationToken cancellationToken)
    {
        await using var source = await PackageSource.OpenAsync(url, credentials, addresses, cancellationToken).ConfigureAwait(false);
        var request = new OverlayRequest { Operation = ByteString.CopyFrom(Convert.FromHexString(operation)) };
        await using var stream = await channel.OpenStreamAsync(InstallMethods.Overlay, request, cancellationToken: cancellationToken).ConfigureAwait(false);
        var buffer = new byte[PieceBytes];
        var refused = false;
        while (!refused && await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is > 0 and var count)
        {
            try
            {
                await stream.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
            }
            catch (ChannelException)
            {
                // Why the appliance takes no more stands in its answer.
                refused = true;
            }
        }

        if (!refused)
        {
            await stream.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }

        using var answer = await stream.ReadAsync(cancellationToken).ConfigureAwait(false);
        return GuestReply.Parse(OverlayReply.Parser, answer, "the personalization package");
    }
}
