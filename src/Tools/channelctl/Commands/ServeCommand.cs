using System.CommandLine;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Host;
using ChannelSdk.Metadata.Http;
using ChannelSdk.Metadata.LinkLocal;
using ChannelSdk.Metadata.Relay;
using ChannelSdk.Metadata.Store;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;
using ChannelSdk.Transports.LinkLocal;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl serve: a daemon that serves metadata from a store to instances, over taps, relays and sockets.</summary>
internal static class ServeCommand
{
    public static Command Create()
    {
        var store = new Option<string>("--store") { Description = "Folder of the metadata store", Required = true };
        var taps = new Option<string[]>("--tap") { Description = "An instance that has a link-local network (channelctl tap up); may be given several times" };
        var relays = new Option<string[]>("--relay") { Description = "INSTANCE=URI: an instance whose agent relays through its channel; may be given several times" };
        var forwards = new Option<string[]>("--forward") { Description = "INSTANCE=SOCKET: an instance on QEMU's user network, and the socket for channel-forward; may be given several times" };
        var secrets = new Option<string[]>("--secret") { Description = ServedSecrets.Help };
        var command = new Command("serve", "Serves metadata to instances until it is stopped; prints what the guests tell of their progress.") { store, taps, relays, forwards, secrets };
        command.SetAction(async (parsed, cancel) =>
        {
            MetadataServer.AnswerOnSocketThreads();
            try
            {
                using var opened = new FolderMetadataStore(parsed.GetValue(store)!, Refused);
                foreach (var secret in parsed.GetValue(secrets) ?? [])
                {
                    await ServedSecrets.PutAsync(opened, secret, cancel);
                }

                await using var daemon = new Daemon(await MetadataServer.StartAsync(opened, new MetadataServerOptions { Failed = Failed }, cancel), cancel);
                foreach (var name in parsed.GetValue(taps) ?? [])
                {
                    daemon.Listeners(name).ServeTap(LinkLocalNetwork.Of(name));
                }

                foreach (var (name, socket) in Pairs(parsed.GetValue(forwards)))
                {
                    daemon.Listeners(name).ServeForward(socket);
                }

                foreach (var (name, uri) in Pairs(parsed.GetValue(relays)))
                {
                    daemon.Relay(name, uri);
                }

                Console.WriteLine("serving");
                await Task.Delay(Timeout.Infinite, cancel);
                return ExitCode.Ok;
            }
            catch (ChannelException e)
            {
                Console.Error.WriteLine($"channelctl: {SafeText.Escape(e.Message)} ({e.Code}, {e.Class})");
                return ExitCode.Of(e);
            }
            catch (OperationCanceledException)
            {
                return ExitCode.Stopped;
            }
        });
        return command;
    }

    // Only what the host's own people put into the store can be told so.
    private static void Refused(string instance, string why) =>
        Console.Error.WriteLine($"channelctl: the file of {SafeText.Escape(instance, 64)} is not taken: {SafeText.Escape(why)}");

    private static void Failed(MetadataFailure failure) => Console.Error.WriteLine(
        $"channelctl: {failure.Instance}: 503 for {SafeText.Escape(failure.Path, 256)}: {failure.Cause.GetType().Name}: {SafeText.Escape(failure.Cause.Message)}"
        + (failure.Untold > 0 ? $" ({failure.Untold} more were not told)" : ""));

    private static IEnumerable<(string Name, string Value)> Pairs(string[]? options) => (options ?? []).Select(option => option.Split('=', 2) is [var name, var value]
        ? (name, value)
        : throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"'{SafeText.Escape(option)}' is not INSTANCE=VALUE"));

    /// <summary>The served instances.</summary>
    private sealed class Daemon(MetadataServer server, CancellationToken stopping) : IAsyncDisposable
    {
        private readonly ChannelHost _host = new();
        private readonly Dictionary<string, (MetadataInstance Instance, MetadataListeners Listeners)> _instances = [];

        public MetadataListeners Listeners(string name) => Find(name).Listeners;

        public void Relay(string name, string uri) => _host.Attach(name, uri, new InstanceOptions
        {
            Serve = services => services.ServeMetadata(Find(name).Instance),
            Alarm = static text => Console.Error.WriteLine($"channelctl: {SafeText.Escape(text)}"),
        });

        public async ValueTask DisposeAsync()
        {
            await _host.DisposeAsync();
            foreach (var (_, listeners) in _instances.Values)
            {
                await listeners.DisposeAsync();
            }

            await server.DisposeAsync();
        }

        private (MetadataInstance Instance, MetadataListeners Listeners) Find(string name)
        {
            if (!_instances.TryGetValue(name, out var found))
            {
                var instance = server.AttachInstance(name);
                found = _instances[name] = (instance, new MetadataListeners(instance));
                var log = new InstanceLog(instance, Console.Out, TimeProvider.System);
                _ = UntilStoppedAsync(log.ShowProgressAsync(stopping));
                _ = UntilStoppedAsync(log.ShowDeliveriesAsync(stopping));
            }

            return found;
        }

        private static async Task UntilStoppedAsync(Task showing)
        {
            try
            {
                await showing;
            }
            catch (OperationCanceledException)
            {
                // The daemon stops.
            }
            catch (IOException)
            {
                // The output has no reader any more; the instances are served on.
            }
        }
    }
}
