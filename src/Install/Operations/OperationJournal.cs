using System.Text.Json;
using System.Text.Json.Serialization;
using ChannelSdk.Host;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Operations;

/// <summary>The record of an operation in a file, so that its end can be found even if its process is killed.</summary>
public sealed record OperationJournal
{
    /// <summary>Its name: 32 hexadecimal digits.</summary>
    public required string Operation { get; init; }

    /// <summary>Name of the instance.</summary>
    public required string Instance { get; init; }

    /// <summary>What is done.</summary>
    public required InstallAction Action { get; init; }

    /// <summary>Name of the OS definition.</summary>
    public required string Definition { get; init; }

    /// <summary>The process that runs it.</summary>
    public required ProcessIdentity Owner { get; init; }

    /// <summary>When it began.</summary>
    public required DateTimeOffset Started { get; init; }

    /// <summary>When it is over at the latest.</summary>
    public required DateTimeOffset Deadline { get; init; }

    /// <summary>How it ended; null: it has not.</summary>
    public InstallOutcome? Outcome { get; init; }

    /// <summary>Why it ended so.</summary>
    public string Reason { get; init; } = "";

    /// <summary>When it ended.</summary>
    public DateTimeOffset? Ended { get; init; }

    /// <summary>What it has made outside of its folder, or was about to.</summary>
    [JsonPropertyName("traces")]
    public IReadOnlyList<LaunchResource> Resources { get; init; } = [];

    /// <summary>Reads one.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: the file holds none.</exception>
    internal static OperationJournal Read(string file)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(file), JournalJson.Default.OperationJournal) ?? throw new JsonException("it is null");
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{file} is no journal of an operation: {FileFault.Describe(e)}", e);
        }
    }

    internal void Write(string file) => AtomicFile.Write(file, JsonSerializer.SerializeToUtf8Bytes(this, JournalJson.Default.OperationJournal));
}

/// <summary>Serialization made at build time.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, UseStringEnumConverter = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(OperationJournal))]
internal sealed partial class JournalJson : JsonSerializerContext
{
}
