using ChannelSdk.Install.Events;
using ChannelSdk.Install.Records;
using ChannelSdk.Install.Secrets;
using ChannelSdk.Linux.Files;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Machines;

/// <summary>What an instance that installs itself is told: its record, on the document that the record names, or on the least that there must be.</summary>
internal static class SelfInstallMetadata
{
    private const int MaxBytes = 1 << 20;

    /// <summary>By which cloud-init tells its progress and its end without a word of the user's: the provider's cloud-config yields to it.</summary>
    private const string VendorData = """
        #cloud-config
        reporting:
          host: {type: webhook, endpoint: "http://169.254.169.254/ganeti/latest/progress"}
        phone_home: {url: "http://169.254.169.254/ganeti/latest/phone_home", post: all}
        """;

    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: the document cannot be read, or a secret has no value or is none of the record's.</exception>
    public static InstanceMetadata Of(InstanceRecord record, SecretParameters? secrets)
    {
        var metadata = record.SelfInstall.GetValueOrDefault(MachinePlan.MetadataKey) is { Length: > 0 } file ? Read(record, file)
            : new InstanceMetadata { InstanceId = $"i-{Guid.NewGuid():N}", Hostname = record.Name };
        metadata = SelfInstall.Metadata(record, metadata with { VendorData = metadata.VendorData ?? VendorData });
        if (secrets?.Names.FirstOrDefault(name => record.Parameters.GetValueOrDefault(name)?.Class != ParameterClass.Secret) is { } unknown)
        {
            throw Wrong(record, $"{unknown} is none of its secret parameters");
        }

        return metadata with
        {
            Os = metadata.Os with
            {
                Parameters = new ReadOnlyOrderedDictionary<OsParameter>(metadata.Os.Parameters.Select(p => KeyValuePair.Create(p.Key,
                    p.Value.Class != ParameterClass.Secret || p.Value.HasValue ? p.Value : Secret(record, p.Key, secrets)))),
            },
        };
    }

    private static OsParameter Secret(InstanceRecord record, string name, SecretParameters? secrets) =>
        secrets?.Find(name) is { } value ? OsParameter.Secret(SecretText(record, name, value)) : throw Wrong(record, $"its secret parameter {name} has no value; give it (--secret)");

    private static string SecretText(InstanceRecord record, string name, SecretValue value)
    {
        try
        {
            return new System.Text.UTF8Encoding(false, throwOnInvalidBytes: true).GetString(value.GetSpan());
        }
        catch (System.Text.DecoderFallbackException)
        {
            throw Wrong(record, $"the value of its secret parameter {name} is no UTF-8");
        }
    }

    private static InstanceMetadata Read(InstanceRecord record, string file)
    {
        try
        {
            return new FileInfo(file) is { Length: > MaxBytes } ? throw Wrong(record, $"{file} has more than {MaxBytes} bytes") : InstanceMetadata.Parse(File.ReadAllBytes(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Wrong(record, $"its metadata {file} cannot be read: {FileFault.Describe(e)}");
        }
    }

    private static ChannelException Wrong(InstanceRecord record, string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, $"{record.Name} cannot install itself: {text}");
}
