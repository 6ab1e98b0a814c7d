using ChannelSdk.Channels;
using ChannelSdk.Protocol.Links;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Info;
using ChannelSdk.Transports.Schemes;

namespace ChannelSdk.Soak.Tests;

/// <summary>Well-behaved guests that answer pings, each behind a socket of its own in a folder.</summary>
internal sealed class QuietGuests : IAsyncDisposable
{
    private readonly List<Channel> _guests = [];

    internal QuietGuests(string folder, int count)
    {
        for (var i = 0; i < count; i++)
        {
            _guests.Add(Start(EndpointOf(folder, i)));
        }
    }

    /// <summary>Where a host finds one.</summary>
    internal static string EndpointOf(string folder, int number) => $"unix://{folder}/quiet{number}.sock";

    /// <summary>A guest behind one socket.</summary>
    /// <param name="endpoint">Where its host finds it.</param>
    internal static Channel Start(string endpoint)
    {
        var services = new ServiceRegistry();
        services.Unary(InfoMethods.Ping, static (request, _) => ValueTask.FromResult(new PingReply { Payload = request.Payload }));
        var guest = new Channel(PeerRole.Guest, TransportEndpoints.Create(endpoint.Replace("unix:", "unix-listen:", StringComparison.Ordinal)), services);
        guest.SetState(StateWord.Ready);
        guest.Start();
        return guest;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var guest in _guests)
        {
            await guest.DisposeAsync();
        }
    }
}
