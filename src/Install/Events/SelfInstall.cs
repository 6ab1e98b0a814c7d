using System.Runtime.CompilerServices;
using ChannelSdk.Install.Records;
using ChannelSdk.Metadata.Guest;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Protocol.Text;
using ChannelSdk.Services.Install;

namespace ChannelSdk.Install.Events;

/// <summary>An instance that installs itself: what it is told, and what it tells, in the terms of an operation.</summary>
public static class SelfInstall
{
    /// <summary>The key of the metadata's <c>meta</c> that holds the URL of the personalization package; the instance fetches it itself.</summary>
    public const string PackageKey = "personalization_url";

    /// <summary>The metadata with the record's OS definition, parameters and personalization package in it.</summary>
    /// <param name="record">The instance's record. The values of its secret parameters stay as the metadata has them.</param>
    /// <param name="metadata">What the instance is told beside.</param>
    public static InstanceMetadata Metadata(InstanceRecord record, InstanceMetadata metadata)
    {
        ArgumentNullException.ThrowIfNull(record);
        ArgumentNullException.ThrowIfNull(metadata);
        return metadata with
        {
            Os = metadata.Os with
            {
                Name = record.OsDefinition ?? record.OsImage ?? metadata.Os.Name,
                Parameters = new ReadOnlyOrderedDictionary<OsParameter>(record.Parameters.Select(p => KeyValuePair.Create(p.Key,
                    p.Value.Class == ParameterClass.Secret && metadata.Os.Parameters.TryGetValue(p.Key, out var given) && given.Class == ParameterClass.Secret ? given : p.Value))),
            },
            Meta = record.PersonalizationUrl is not { } url ? metadata.Meta
                : new ReadOnlyOrderedDictionary<string>(metadata.Meta.Where(m => m.Key != PackageKey).Append(KeyValuePair.Create(PackageKey, url))),
        };
    }

    /// <summary>
    /// What the instance tells of its progress (cloud-init's webhook reporter, phone_home, a script with curl), as events.
    /// One event for each of the log's, with its cursor; phone_home ends it well.
    /// </summary>
    /// <param name="progress">The instance's log at the metadata server.</param>
    /// <param name="after">Cursor of the last event that the watcher has; 0: all that are kept.</param>
    /// <param name="cancellationToken">Ends the watching.</param>
    public static IAsyncEnumerable<InstallEvent> WatchAsync(ProgressLog progress, long after = 0, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(progress);
        return ConvertAsync(progress, after, cancellationToken);
    }

    private static async IAsyncEnumerable<InstallEvent> ConvertAsync(ProgressLog progress, long after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var told in progress.ReadAsync(after, cancellationToken).ConfigureAwait(false))
        {
            yield return Convert(told) with { Cursor = told.Cursor, At = told.ReceivedAt, Party = InstallParty.Guest };
        }
    }

    private static InstallEvent Convert(ProgressEvent told)
    {
        var text = SafeText.Escape(told.Description);
        return told switch
        {
            { Origin: "phone_home" } => new ResultEvent { Outcome = InstallOutcome.Succeeded, Reason = text },
            { Result: ProgressResult.Failure } => new LogEvent { Level = InstallLogLevel.Error, Text = $"{SafeText.Escape(told.Name)} failed: {text}" },
            { Result: ProgressResult.Warning } => new LogEvent { Level = InstallLogLevel.Warning, Text = $"{SafeText.Escape(told.Name)}: {text}" },
            _ => new ProgressMadeEvent { Percent = told.Percent, Steps = [.. told.Name.Split('/', 8).Select(s => SafeText.Escape(s, 256))], Text = text },
        };
    }
}
