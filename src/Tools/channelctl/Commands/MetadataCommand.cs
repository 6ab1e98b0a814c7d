using System.CommandLine;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Linux.Files;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Metadata.Store;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl metadata set, merge, show, watch: the store of a running host endpoint, or of one that will run.</summary>
internal static class MetadataCommand
{
    private const int MaxBytes = 1 << 20;

    public static Command Create() => new("metadata", "Sets and shows what an instance is told of itself. A change is visible to the instance at once.")
    {
        Change("set", "Replaces an instance's metadata by a JSON or YAML document. A private parameter without a value, as show prints it, keeps its present value.",
            (store, instance, document) => store.Put(instance, InstanceMetadata.Parse(document, store.Find(instance)?.Metadata))),
        Change("merge", "Merges a JSON merge patch (RFC 7386), written as JSON or YAML, into an instance's metadata.",
            (store, instance, document) => store.Merge(instance, document)),
        Show(),
        Watch(),
    };

    private static Command Change(string name, string description, Func<FolderMetadataStore, string, byte[], MetadataSnapshot> change)
    {
        var file = new Argument<string>("FILE") { Description = "The document; - for standard input", DefaultValueFactory = _ => "-" };
        return Of(name, description, file, async (store, instance, parsed, cancel) =>
        {
            var document = await ReadAsync(parsed.GetValue(file)!, cancel);
            ThrowIfSecret(document, store.Find(instance)?.Metadata, isPatch: name == "merge");
            Console.WriteLine($"{instance}: version {change(store, instance, document).Version}");
        });
    }

    private static Command Show() => Of("show", "Prints an instance's metadata as JSON, without the values of private and secret parameters.", null, (store, instance, _, _) =>
    {
        Console.WriteLine(FindOrThrow(store, instance).Metadata.ToPublicJson());
        return Task.CompletedTask;
    });

    private static Command Watch() => Of("watch", "Prints an instance's metadata now and at every change, until it is stopped.", null, async (store, instance, _, cancel) =>
    {
        while (true)
        {
            var now = store.Find(instance);
            Console.WriteLine(now is null ? $"{SafeText.Escape(instance)}: no metadata" : $"{instance}: version {now.Version}\n{now.Metadata.ToPublicJson()}");
            await store.WaitChangeAsync(instance, now, cancel);
        }
    });

    private static Command Of(string name, string description, Argument<string>? file, Func<FolderMetadataStore, string, ParseResult, CancellationToken, Task> action)
    {
        var instance = new Argument<string>("INSTANCE") { Description = "Name of the instance" };
        var folder = new Option<string>("--store") { Description = "Folder of the metadata store", Required = true };
        var command = new Command(name, description) { instance, folder };
        if (file is not null)
        {
            command.Add(file);
        }

        command.SetAction(async (parsed, cancel) =>
        {
            try
            {
                using var store = new FolderMetadataStore(parsed.GetValue(folder)!);
                await action(store, parsed.GetValue(instance)!, parsed, cancel);
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

    private static MetadataSnapshot FindOrThrow(FolderMetadataStore store, string instance) => store.Find(instance)
        ?? throw (store.Failures.TryGetValue(instance, out var failure)
            ? new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, failure)
            : new ChannelException(ChannelError.NotFound, ErrorClass.Refused,
                store.List() is { Count: > 0 } known ? $"instance {instance} has no metadata; these have: {string.Join(", ", known)}" : $"instance {instance} has no metadata, nor has any other in this store"));

    // A secret lives in the memory of the process that serves it, and this one ends at once.
    private static void ThrowIfSecret(byte[] document, InstanceMetadata? current, bool isPatch)
    {
        var outcome = isPatch ? current?.WithoutSecrets().Merge(document) : InstanceMetadata.Parse(document, current);
        if (outcome?.HasSecrets == true)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused,
                "metadata: a secret parameter has a value, which is never stored: leave the value out here, and give it to 'channelctl serve --secret' or to the host manager's API");
        }
    }

    private static async Task<byte[]> ReadAsync(string path, CancellationToken cancellationToken)
    {
        if (ToolOptions.WhyNoPath(path) is { } why)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"FILE is a path, which {why}");
        }

        try
        {
            await using var source = path == "-" ? Console.OpenStandardInput() : File.OpenRead(path);
            using var bytes = new MemoryStream();
            var buffer = new byte[65536];
            while (bytes.Length <= MaxBytes && await source.ReadAsync(buffer, cancellationToken) is > 0 and var length)
            {
                bytes.Write(buffer, 0, length);
            }

            return bytes.Length <= MaxBytes ? bytes.ToArray() : throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused,
                $"metadata: document: it has {(source.CanSeek ? $"{source.Length}" : $"more than {MaxBytes}")} bytes; {MaxBytes} are allowed");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{path} cannot be read: {FileFault.Describe(e)}", e);
        }
    }
}
