using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using ChannelSdk.Host.Launch;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Install.Records;

/// <summary>The file of one record, and what may be shown of it.</summary>
internal static class InstanceRecordFile
{
    public static byte[] Write(InstanceRecord record) => JsonSerializer.SerializeToUtf8Bytes(ToDocument(record, ParameterClass.Private), RecordJson.Default.RecordDocument);

    public static string WritePublic(InstanceRecord record) => JsonSerializer.Serialize(ToDocument(record, ParameterClass.Public), RecordJson.Default.RecordDocument);

    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it holds no valid record. No part of the content is in the text.</exception>
    public static InstanceRecord Read(string name, ReadOnlySpan<byte> json)
    {
        try
        {
            var document = JsonSerializer.Deserialize(json, RecordJson.Default.RecordDocument) ?? throw new JsonException("it is null");
            if (document.Nics?.Any(static nic => nic is null) == true || document.Disks?.Any(static disk => disk?.Path is null || disk.Format is null) == true || new[] { document.SelfInstall, document.HypervisorParameters, document.BackendParameters }.Any(static map => map?.ContainsValue(null!) == true))
            {
                throw new JsonException("an entry of it is null");
            }

            var record = new InstanceRecord
            {
                Name = name,
                Mode = document.Mode,
                Communication = document.Communication,
                Hypervisor = document.Hypervisor,
                HypervisorParameters = new ReadOnlyOrderedDictionary<string>(document.HypervisorParameters ?? []),
                BackendParameters = new ReadOnlyOrderedDictionary<string>(document.BackendParameters ?? []),
                Disks = document.Disks ?? [],
                Nics = document.Nics ?? [],
                OsDefinition = document.OsDefinition,
                OsImage = document.OsImage,
                ImageRules = document.ImageRules ?? new ImageRules(),
                PersonalizationUrl = document.PersonalizationUrl,
                SelfInstall = new ReadOnlyOrderedDictionary<string>(document.SelfInstall ?? []),
                Parameters = new ReadOnlyOrderedDictionary<OsParameter>((document.Parameters ?? []).Select(p => KeyValuePair.Create(p.Key, (p.Value.Class, p.Value.Value) switch
                {
                    (ParameterClass.Secret, _) => OsParameter.Secret(null),
                    (_, null) => throw new JsonException($"the parameter {DocumentKey(p.Key)} has no value"),
                    (ParameterClass.Private, { } value) => OsParameter.Private(value),
                    (_, { } value) => OsParameter.Public(value),
                }))),
            };
            record.Check();
            return record;
        }
        catch (JsonException e)
        {
            // Its own text may repeat a piece of the document; where it is says enough.
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused,
                $"the file of {name} holds no valid record: line {(e.LineNumber ?? 0) + 1}, at {SafeText.Escape(e.Path ?? "its beginning", 128)}");
        }
    }

    private static RecordDocument ToDocument(InstanceRecord record, ParameterClass shown) => new()
    {
        Mode = record.Mode,
        Communication = record.Communication,
        Hypervisor = record.Hypervisor,
        HypervisorParameters = record.HypervisorParameters.Count == 0 ? null : new Dictionary<string, string>(record.HypervisorParameters),
        BackendParameters = record.BackendParameters.Count == 0 ? null : new Dictionary<string, string>(record.BackendParameters),
        Disks = record.Disks.Count == 0 ? null : [.. record.Disks],
        Nics = record.Nics.Count == 0 ? null : [.. record.Nics],
        OsDefinition = record.OsDefinition,
        OsImage = record.OsImage,
        ImageRules = record.ImageRules == new ImageRules() ? null : record.ImageRules,
        PersonalizationUrl = record.PersonalizationUrl,
        SelfInstall = record.SelfInstall.Count == 0 ? null : new Dictionary<string, string>(record.SelfInstall),
        Parameters = record.Parameters.Count == 0 ? null : record.Parameters.ToDictionary(p => p.Key, p => new ParameterDocument
        {
            Class = p.Value.Class,
            Value = p.Value.Class <= shown && p.Value.Class != ParameterClass.Secret ? p.Value.Reveal() : null,
        }),
    };

    private static string DocumentKey(string key) => SafeText.Escape(key, 64);
}

/// <summary>A record as JSON.</summary>
internal sealed record RecordDocument
{
    public ExecutionMode Mode { get; init; }
    public bool Communication { get; init; }

    // Set and not initialized, which would be done with null for a file that does not name it.
    public string Hypervisor { get; set; } = "kvm";

    public Dictionary<string, string>? HypervisorParameters { get; init; }
    public Dictionary<string, string>? BackendParameters { get; init; }
    public List<TargetDisk>? Disks { get; init; }
    public List<InstanceNic>? Nics { get; init; }
    public string? OsDefinition { get; init; }
    public string? OsImage { get; init; }
    public ImageRules? ImageRules { get; init; }
    public string? PersonalizationUrl { get; init; }
    public Dictionary<string, string>? SelfInstall { get; init; }
    public Dictionary<string, ParameterDocument>? Parameters { get; init; }
}

/// <summary>A parameter as JSON; a private value is here in the store's file only.</summary>
internal sealed record ParameterDocument
{
    public ParameterClass Class { get; init; }
    public string? Value { get; init; }
}

/// <summary>The words of an enumeration, as commands and metadata take them: run, self_install, private.</summary>
internal sealed class RecordWords<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false)
    where T : struct, Enum;

/// <summary>Serialization made at build time.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    Converters = [typeof(RecordWords<ExecutionMode>), typeof(RecordWords<ParameterClass>), typeof(RecordWords<NicMode>), typeof(RecordWords<ImageFormat>)],
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(RecordDocument))]
internal sealed partial class RecordJson : JsonSerializerContext
{
}
