//! `tallygate.v1.FigureService`: cards and queries.

use super::{Frame, receipt};
use crate::{
    disclosure::FeedWeek,
    gateway::{
        BookRequest, CardAnswer, CardLine, CardRequest, FigureText, QueryRequest, ReleaseNotice,
    },
    wire::v1::{self, figure_service_server},
};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The figure service.
#[derive(Debug, Clone)]
pub struct FigureService(pub Arc<Frame>);

#[tonic::async_trait]
impl figure_service_server::FigureService for FigureService {
    async fn get_card(
        &self,
        request: Request<v1::GetCardRequest>,
    ) -> Result<Response<v1::GetCardResponse>, Status> {
        let actor = self.0.recognise(&request).await?;
        let v1::GetCardRequest { area, quarter, purposes } = request.into_inner();
        let asked = CardRequest { area, quarter, purposes };
        let answered = self.0.gateway().card(&actor, &asked).await;
        let (card, proof) = answered.map_err(|denied| self.0.status(denied))?.into_parts();
        let mut response = v1::GetCardResponse::from(card);
        response.receipt = Some(receipt(&proof));
        Ok(Response::new(response))
    }

    async fn query_figures(
        &self,
        request: Request<v1::QueryFiguresRequest>,
    ) -> Result<Response<v1::QueryFiguresResponse>, Status> {
        let actor = self.0.recognise(&request).await?;
        let asked = QueryRequest::from(request.into_inner());
        let answered = self.0.gateway().query_figures(&actor, &asked).await;
        let (answer, proof) = answered.map_err(|denied| self.0.status(denied))?.into_parts();
        Ok(Response::new(v1::QueryFiguresResponse {
            figures: answer.figures.into_iter().map(v1::Figure::from).collect(),
            definition: answer.definition,
            notices: answer.notices.into_iter().map(v1::ReleaseNotice::from).collect(),
            receipt: Some(receipt(&proof)),
        }))
    }

    async fn get_data_book(
        &self,
        request: Request<v1::GetDataBookRequest>,
    ) -> Result<Response<v1::GetDataBookResponse>, Status> {
        let actor = self.0.recognise(&request).await?;
        let asked = BookRequest::from(request.into_inner());
        let answered = self.0.gateway().data_book(&actor, &asked).await;
        let (book, proof) = answered.map_err(|denied| self.0.status(denied))?.into_parts();
        let mut response = v1::GetDataBookResponse::from(book);
        response.receipt = Some(receipt(&proof));
        Ok(Response::new(response))
    }

    async fn find_figures(
        &self,
        request: Request<v1::FindFiguresRequest>,
    ) -> Result<Response<v1::FindFiguresResponse>, Status> {
        let actor = self.0.recognise(&request).await?;
        let found = self.0.gateway().find_figures(&actor, &request.get_ref().question).await;
        let (found, proof) = found.map_err(|denied| self.0.status(denied))?.into_parts();
        let figures = found.into_iter().map(v1::FoundFigure::from).collect();
        Ok(Response::new(v1::FindFiguresResponse { figures, receipt: Some(receipt(&proof)) }))
    }
}

impl From<v1::QueryFiguresRequest> for QueryRequest {
    fn from(wire: v1::QueryFiguresRequest) -> Self {
        let v1::QueryFiguresRequest { indicator, area, from_quarter, to_quarter, by, purpose } =
            wire;
        Self { indicator, area, from: from_quarter, to: to_quarter, by, purpose }
    }
}

impl From<CardAnswer> for v1::GetCardResponse {
    fn from(card: CardAnswer) -> Self {
        Self {
            area: card.area.to_string(),
            area_name: card.area_name,
            quarter: card.quarter.to_string(),
            lines: card.lines.into_iter().map(v1::CardLine::from).collect(),
            linkage_note: card.linkage_note.to_owned(),
            release_digest: card.release.as_bytes().to_vec(),
            receipt: None,
            notices: card.notices.into_iter().map(v1::ReleaseNotice::from).collect(),
        }
    }
}

impl From<ReleaseNotice> for v1::ReleaseNotice {
    fn from(notice: ReleaseNotice) -> Self {
        let ReleaseNotice { quarter, notice, withdrawn_at } = notice;
        Self { quarter: quarter.to_string(), notice, withdrawn_at }
    }
}

impl From<CardLine> for v1::CardLine {
    fn from(line: CardLine) -> Self {
        let all = |figures: Vec<FigureText>| figures.into_iter().map(v1::Figure::from).collect();
        Self {
            figure: Some(line.figure.into()),
            title: line.title,
            definition: line.definition,
            target: line.target,
            trend: all(line.trend),
            feeds: line.feeds.into_iter().map(v1::FeedWeek::from).collect(),
            number: u32::from(line.number),
            denominator: line.denominator,
            parts: all(line.parts),
        }
    }
}

impl From<FigureText> for v1::Figure {
    fn from(figure: FigureText) -> Self {
        Self {
            indicator: figure.indicator.to_string(),
            area: figure.area.to_string(),
            quarter: figure.quarter.to_string(),
            value: figure.value,
            lower: figure.lower,
            upper: figure.upper,
            margin: figure.margin,
            word: figure.word.to_owned(),
            unit: figure.unit.to_owned(),
            part: figure.part,
            out_of: figure.out_of,
        }
    }
}

impl From<FeedWeek> for v1::FeedWeek {
    fn from(feed: FeedWeek) -> Self {
        Self {
            partner_id: feed.partner.to_string(),
            record_type: feed.record_type.name().to_owned(),
            week: feed.week.map(|week| week.to_string()).unwrap_or_default(),
        }
    }
}
